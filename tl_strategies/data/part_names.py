"""Names of parts, as people write them: train, Training, val2017, test_set, images-dev."""

import re
from collections.abc import Iterable

PART_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "validate", "validating", "valid", "val"), "validation"),
    **dict.fromkeys(("development", "devel", "dev", "evaluation", "eval"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
EVALUATION = ("evaluation", "eval")  # the test part where another one is for validation
BESIDE = "data|dataset|datasets|set|sets|split|part|images?|imgs?|photos?|pictures?|pics?|jpe?g|png"
_PART = re.compile(f"(?:{BESIDE})*({'|'.join(PART_NAMES)})(?:{BESIDE})*")


def parts_of(names: Iterable[str]) -> dict[str, str]:
    """The part that each of some names stands for; names that stand for none are not in it.

    A name stands for a part by itself, or by a word that it has beside the same words as another
    part: seg_train and seg_test. `dev` and `eval` are for validation; `eval` is the test part where
    another name is for validation and none for test. Names are of folders side by side, or values
    of a column, in any case.
    """
    alike: dict[tuple[str, ...], dict[str, str]] = {}
    for name in names:
        word, rest = _parsed(name)
        if word:
            alike.setdefault(rest, {})[name] = word
    words = alike.pop((), {})
    for group in alike.values():
        parts = {PART_NAMES[word] for word in group.values()}
        if "train" in parts and len(parts) > 1:
            words |= group
    parts = {name: PART_NAMES[word] for name, word in words.items()}
    evaluations = {name for name, word in words.items() if word in EVALUATION}
    others = {part for name, part in parts.items() if name not in evaluations}
    if "validation" in others and "test" not in others:
        parts |= dict.fromkeys(evaluations, "test")
    return parts


def parts_notes(parts: dict[str, str]) -> list[str]:
    """What names were taken for, in words, where they are not the parts' own."""
    others = [f"{name} as {part}" for name, part in parts.items() if name != part]
    return [f"parts: {', '.join(others)}"] if others else []


def _parsed(name: str) -> tuple[str | None, tuple[str, ...]]:
    """The only word for a part in a name, and the words beside it that mean something."""
    words = re.findall(r"[^\W\d_]+", name.lower())
    if whole := _PART.fullmatch("".join(words)):
        return whole[1], ()
    found = [match for word in words if (match := _PART.fullmatch(word))]
    if len(found) != 1:
        return None, ()
    return found[0][1], tuple(word for word in words if word != found[0][0])
