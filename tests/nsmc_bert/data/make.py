"""What reads tables, and what tables hold, for all tests of them."""

from hypothesis import strategies as st

from nsmc_bert.data import columns, tables
from nsmc_bert.data.tables import Layout, Table


def read(path, layout=tables.AS_NAMED):
    """(columns, values of each row) of a table without bad rows."""
    with Table(path, layout) as table:
        rows = list(table)
    assert [row for row in rows if row.problem] == []
    return table.columns, [row.values for row in rows]


cells = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=8)
# pandas puts "\r" into CSV without quotes, and reads it back as the end of a line
cells_of_pandas = cells.filter(lambda text: "\r" not in text)
rows_of_pandas = st.tuples(cells_of_pandas, st.none() | cells_of_pandas, st.integers(), st.booleans())
# what XML can say
seen = st.text(st.characters(min_codepoint=32, blacklist_categories=["Cs", "Cn"], blacklist_characters="_"), min_size=1)


def read_sheet(path, sheet="", names=("리뷰", "별점")):
    """(columns, values of the one row, note) of what is read where these columns are wanted."""
    with Table(path, Layout(sheet=sheet)) as table:
        columns.locate(table, {f"--{name}": (name, "text") for name in names})
        (row,) = table
    return table.columns, row.values, table.note


def locate(path, text="", label=None, layout=tables.AS_NAMED):
    wanted = {"--text_column": (text, "text")}
    if label is not None:
        wanted["--label_column"] = label, "label"
    with Table(path, layout) as table:
        return columns.locate(table, wanted)


ORDERS = "주문번호,리뷰,작성자,별점\n001,배송이 빨라요,kim,5\n002,별로예요 ㅠㅠ,lee,1\n003,그냥 그래요,park,3\n"
