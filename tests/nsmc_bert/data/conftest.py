"""What makes tables."""

import pytest


@pytest.fixture
def workbook(tmp_path):
    """Makes a workbook of sheets by their names, each with its header and one row; returns its path."""
    openpyxl = pytest.importorskip("openpyxl")

    def make(hidden=(), **sheets):
        book = openpyxl.Workbook()
        book.remove(book.active)
        for title, header in sheets.items():
            sheet = book.create_sheet(title)
            for row in (header, [title] * len(header)) if header else ():
                sheet.append(row)
            sheet.sheet_state = "hidden" if title in hidden else "visible"
        book.save(tmp_path / "a.xlsx")
        return tmp_path / "a.xlsx"

    return make
