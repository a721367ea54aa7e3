"""What two results must have in common before one is held against the other.

>>> differences(one, other)          # probes of 2 and of 20 passes
(['epochs 2 and 20'], [])
"""

ACTING = {  # settings of a schedule that act in one kind of it alone
    "linear": ("epochs", "warmup", "least_steps"),
    "plateau": ("steps", "interval", "halve_after", "patience"),
}


def split_of(result: dict) -> str:
    """The split that a result is reported on."""
    return "test" if "test" in result["figures"] else "dev"


def conditions(result: dict) -> dict:
    """All that decides a figure but encoder, representation, seed and control, by name; None for what is not known."""
    identity = result["identity"]
    schedule = identity.get("schedule") or {}
    kind = schedule.get("kind")
    idle = {name for other, names in ACTING.items() if other != kind for name in names}
    return {
        "corpus": identity.get("corpus"),
        "split": split_of(result),
        "layer 0": result["layer0"].partition(":")[0],
        "precision": identity.get("precision"),
        "schedule": kind,
        **{name: value for name, value in schedule.items() if name != "kind" and name not in idle},
    }


def differences(one: dict, other: dict) -> tuple[list[str], list[str]]:
    """What two results differ in beside what they are of, in words, and what only one of them says."""
    a, b = conditions(one), conditions(other)
    names = list(dict.fromkeys([*a, *b]))
    if a["schedule"] != b["schedule"]:  # of another kind: the rest of it has other settings
        names = [name for name in names if name in a and name in b]
    different, unknown = [], []
    for name in names:
        x, y = a.get(name), b.get(name)
        if x != y and None in (x, y):
            unknown.append(name)
        elif x != y:
            different.append(name if name == "corpus" else f"{name} {x} and {y}")
    return different, unknown


def encoders(one: dict, other: dict) -> tuple[list[str], list[str]]:
    """The same of the encoders of two results that are to be of one, and of how it reads the corpus."""
    different, unknown = [], []
    for name in ("encoder", "data"):
        a, b = (result["identity"].get(name) for result in (one, other))
        if a == b:
            continue
        if None in (a, b):
            unknown.append(name)
        elif a.startswith(b + "-") or b.startswith(
            a + "-"
        ):  # one is of before the configuration was part of a fingerprint
            unknown.append("configuration of the encoder")
        else:
            different.append(name)
    return different, unknown
