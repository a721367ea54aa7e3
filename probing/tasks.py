"""The ten edge-probing tasks of Tenney et al. (2019), as data: labels, spans, metric, training steps, published counts.

Task          published data
pos           OntoNotes 5.0, the leaves of its trees
constituents  OntoNotes 5.0, the inner nodes of its trees
dep           UD English-EWT r2.2
entities      OntoNotes 5.0
srl           OntoNotes 5.0, one example per predicate
coref         OntoNotes 5.0, mentions of one sentence
spr1          semantic proto-roles over PropBank (Teichert et al. 2017)
spr2          semantic proto-roles over UD English (White et al. 2016)
dpr           definite pronoun resolution (Rahman & Ng 2012), recast
rel           SemEval 2010 task 8
"""

import dataclasses
import types
from collections.abc import Iterable, Mapping
from typing import Any

SPLITS = ("train", "dev", "test")


@dataclasses.dataclass(frozen=True)
class Task:
    """One task, as it was published.

    Attributes:
        name: what commands and files call it.
        title: what the published table calls its row.
        spans: how many spans a target has, 1 or 2.
        labels: the published inventory, sorted. A corpus of one's own may have others.
        counts: {split: (examples, targets)} of the published data. Examples without targets are counted, and are no
            part of training and scoring.
        rows: {row of a table: pattern that the labels match which it adds up}; the first row is the task's own figure,
            which the macro average takes. SRL has core and modifier roles, without R- and C-; coreference the label 1
            alone; relations all labels but Other.
        source: what the published figures take, where it is not at hand.
        steps: the most training steps, of 32 examples each.
        interval: training steps between two validations.
        seeds: how many runs the published figure is the mean of.
        multi_label: whether a target has any number of labels instead of one.
    """

    name: str
    title: str
    spans: int
    labels: tuple[str, ...]
    counts: Mapping[str, tuple[int, int]]
    rows: Mapping[str, str]
    source: str
    steps: int = 250_000
    interval: int = 1000
    seeds: int = 1
    multi_label: bool = False

    @property
    def published(self) -> bool:
        """Whether the published table has it, and its macro average counts it in."""
        return bool(self.counts)


_POS = (
    "$ '' , -LRB- -RRB- . : ADD AFX CC CD DT EX FW HYPH IN JJ JJR JJS LS MD NFP NN NNP NNPS NNS PDT POS PRP PRP$ "
    "RB RBR "
    "RBS RP SYM TO UH VB VBD VBG VBN VBP VBZ WDT WP WP$ WRB ``"
)
_CONSTITUENTS = (
    "ADJP ADVP CONJP EMBED FRAG INTJ LST META NAC NML NP NX PP PRN PRT QP RRC S SBAR SBARQ SINV SQ TOP UCP VP WHADJP "
    "WHADVP WHNP WHPP X"
)
_DEP = (
    "acl acl:relcl advcl advmod amod appos aux aux:pass case cc cc:preconj ccomp compound compound:prt conj cop csubj "
    "csubj:pass dep det det:predet discourse dislocated expl fixed flat flat:foreign goeswith iobj list mark nmod "
    "nmod:npmod nmod:poss nmod:tmod nsubj nsubj:pass nummod obj obl obl:npmod obl:tmod orphan parataxis punct "
    "reparandum "
    "root vocative xcomp"
)
_ENTITIES = (
    "CARDINAL DATE EVENT FAC GPE LANGUAGE LAW LOC MONEY NORP ORDINAL ORG PERCENT PERSON PRODUCT QUANTITY TIME "
    "WORK_OF_ART"
)
_SRL = (
    "ARG0 ARG1 ARG2 ARG3 ARG4 ARG5 ARGA ARGM-ADJ ARGM-ADV ARGM-CAU ARGM-COM ARGM-DIR ARGM-DIS ARGM-DSP ARGM-EXT "
    "ARGM-GOL "
    "ARGM-LOC ARGM-LVB ARGM-MNR ARGM-MOD ARGM-NEG ARGM-PNC ARGM-PRD ARGM-PRP ARGM-PRR ARGM-PRX ARGM-REC ARGM-TMP "
    "C-ARG0 "
    "C-ARG1 C-ARG2 C-ARG3 C-ARG4 C-ARGM-ADJ C-ARGM-ADV C-ARGM-CAU C-ARGM-COM C-ARGM-DIR C-ARGM-DIS C-ARGM-DSP "
    "C-ARGM-EXT "
    "C-ARGM-LOC C-ARGM-MNR C-ARGM-MOD C-ARGM-NEG C-ARGM-PRP C-ARGM-TMP R-ARG0 R-ARG1 R-ARG2 R-ARG3 R-ARG4 R-ARG5 "
    "R-ARGM-ADV R-ARGM-CAU R-ARGM-COM R-ARGM-DIR R-ARGM-EXT R-ARGM-GOL R-ARGM-LOC R-ARGM-MNR R-ARGM-MOD R-ARGM-PNC "
    "R-ARGM-PRD R-ARGM-PRP R-ARGM-TMP"
)
_SPR1 = (
    "awareness change_of_location change_of_state changes_possession created destroyed existed_after existed_before "
    "existed_during exists_as_physical instigation location_of_event makes_physical_contact manipulated_by_another "
    "predicate_changed_argument sentient stationary volition"
)
_SPR2 = (
    "awareness change_of_location change_of_possession change_of_state change_of_state_continuous changes_possession "
    "existed_after existed_before existed_during exists_as_physical instigation location_of_event "
    "makes_physical_contact "
    "partitive predicate_changed_argument sentient stationary volition was_for_benefit was_used"
)
_RELATIONS = (
    "Cause-Effect Component-Whole Content-Container Entity-Destination Entity-Origin Instrument-Agency "
    "Member-Collection "
    "Message-Topic Product-Producer"
)
_REL = [f"{relation}({order})" for relation in _RELATIONS.split() for order in ("e1,e2", "e2,e1")] + ["Other"]


def _task(
    name: str,
    title: str,
    spans: int,
    labels: str | Iterable[str],
    examples: Iterable[int],
    targets: Iterable[int],
    source: str,
    rows: Mapping[str, str] | None = None,
    **settings: Any,
) -> Task:
    labels = tuple(sorted(labels.split() if isinstance(labels, str) else labels))
    counts = dict(zip(SPLITS, zip(examples, targets)))
    return Task(name, title, spans, labels, counts, rows or {title: ".*"}, source, **settings)


_ONTONOTES = "OntoNotes 5.0 (LDC2013T19) as CoNLL-2012 files: probing.convert --source=conll2012"
_UD = "UD English EWT r2.2: probing.convert --source=conllu --as_published"
_SPR1_PTB = "SPR1 and the Penn Treebank (LDC99T42): probing.convert --source=spr1"
_SPR2_UD = "SPR2: probing.convert --source=spr2"
_RECAST = "Rahman and Ng's problems as recast: the published file, --train_file, --dev_file, --test_file"
_SEMEVAL = "SemEval 2010 task 8: probing.convert --source=semeval"
_CORE, _MODIFIERS = "ARG[0-5A]", "ARGM(-.+)?"
_ROLES = {"SRL (all)": f"{_CORE}|{_MODIFIERS}", "Core roles": _CORE, "Non-core roles": _MODIFIERS}


_COUNTS = (115_812, 15_680, 12_217)  # of OntoNotes
_SHORT: dict[str, Any] = dict(steps=10_000, interval=100)
_OF_DPR: dict[str, Any] = dict(seeds=5, **_SHORT)
_OF_SPR: dict[str, Any] = dict(multi_label=True, **_SHORT)
_OF_REL: dict[str, Any] = dict(rows={"Rel. (SemEval)": r"(?!Other\Z).*"}, **_SHORT)
_POSITIVE = {"OntoNotes coref.": "1"}
_DPR = "entailed not-entailed"

TASKS = types.MappingProxyType(
    {
        task.name: task
        for task in (
            _task("pos", "Part-of-Speech", 1, _POS, _COUNTS, (2_070_382, 290_013, 212_121), _ONTONOTES),
            _task("constituents", "Constituents", 1, _CONSTITUENTS, _COUNTS, (1_851_590, 255_133, 190_535), _ONTONOTES),
            _task("dep", "Dependencies", 2, _DEP, (12_522, 2_000, 2_075), (203_919, 25_110, 25_049), _UD),
            _task("entities", "Entities", 1, _ENTITIES, _COUNTS, (128_738, 20_354, 12_586), _ONTONOTES),
            _task(
                "srl", "SRL (all)", 2, _SRL, (253_070, 35_297, 26_715), (598_983, 83_362, 61_716), _ONTONOTES, _ROLES
            ),
            _task("coref", "OntoNotes coref.", 2, "0 1", _COUNTS, (207_830, 26_333, 27_800), _ONTONOTES, _POSITIVE),
            _task("spr1", "SPR1", 2, _SPR1, (3_843, 518, 551), (7_611, 1_071, 1_055), _SPR1_PTB, **_OF_SPR),
            _task("spr2", "SPR2", 2, _SPR2, (2_226, 291, 276), (4_925, 630, 582), _SPR2_UD, **_OF_SPR),
            _task("dpr", "Winograd coref.", 2, _DPR, (958, 223, 518), (1_787, 379, 949), _RECAST, **_OF_DPR),
            _task("rel", "Rel. (SemEval)", 2, _REL, (6_851, 1_149, 2_717), (6_851, 1_149, 2_717), _SEMEVAL, **_OF_REL),
        )
    }
)
