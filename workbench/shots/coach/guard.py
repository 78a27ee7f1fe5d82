"""The check of every sentence of a coach against the facts, before anybody sees it.

The unit is one sentence, in English. Caught are numbers that are no fact, the other foot, a result
or a place that is contradicted, praise of a shot whose result is not known, advice against a
measure's flag or on what was not measured, markup, and text without end. What has no such claim in
it passes: the guard knows no football.
"""

import re
from collections.abc import Iterator

from workbench.shots.coach.facts import ShotFacts

LONGEST = 320  # characters of a sentence

_MARKUP = re.compile(r"[<>`\x00-\x08\x0b-\x1f]|&#?\w+;|\w+://|\bwww\.|\*\S|__|^\s*#|\]\(")
_STUTTER = re.compile(r"\b(\w+(?:\W+\w+){0,4})(?:\W+\1\b){3}", re.I)

_ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    "nineteen",
)
_DIGITS = {word: number for number, word in enumerate(_ONES)}
_TENS = {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70,
         "eighty": 80, "ninety": 90, "hundred": 100}  # fmt: skip
_SPELT = re.compile(
    rf"\b(?:a )?({'|'.join(_TENS)})(?:[- ](?:and )?({'|'.join(_DIGITS)}))?\b"
    rf"|\b({'|'.join(_DIGITS)})\b(?=[- ]?(?:km|kilomet|mph|mile|deg|°|%|per ?cent|met(?:er|re)|"
    r"sec))"
)
_UNITS = (
    (r"°\s*/\s*s\b|degrees? (?:per|a) second|deg/s", "°/s"),
    (r"°|degrees?\b|deg\b", "°"),
    (r"km/?h\b|kph\b|kilomet(?:er|re)s? (?:per|an) hour", "km/h"),
    (r"%|per ?cent\b", "%"),
    (r"(?:met(?:er|re)s?|m)\b(?!/| ?(?:per|a) s)", "m"),
    (r"mph\b|miles|m/s\b|met(?:er|re)s per|cm\b|centimet|ms\b|g\b|feet\b|yards?\b", "other"),
    (r"(?:s|sec|secs|seconds?)\b", "s"),
)
_NUMBER = re.compile(r"(?<![\w.])(\d+(?:[.,]\d+)?)")
_COUNTED = re.compile(
    r"\s*(?:\w+ )?(?:shots?|kicks?|times?|sets?|reps?|repetitions?|plants?|strikes?|frames?|"
    r"minutes?|steps?|swings?|passes|rounds?|attempts?|tries|balls?)\b"
)
_HELD = re.compile(r"\b(?:hold|holding|rest|pause|wait|for|within|every)\b")

_RESULT_OPEN = re.compile(
    r"\b(?:may|might|maybe|perhaps)\b|can(?:no|['’])?t\b|\bcan ?not\b|not clear|n[o']t know|"
    r"nobody|no verdict|unclear|simply not|unknown|undecided|whether"
)
_ABOUT_RESULT = re.compile(r"\b(?:in|goal|scored?|line|result|out|verdict)\b")
_NOT_YET = re.compile(
    r"\b(?:if|next|will|would|could|aim|to score|count how|count the goals|so that|film|try|"
    r"choose|take|repeat)\b"
)
_MISSED = re.compile(
    r"\bno goal|\bnot (?:a |the )?goal|n[o'’]t a goal|\bmiss(?:ed|es)?\b|did ?n[o'’]?t "
    r"(?:score|go|count|cross)|not (?:score|count|cross|in\b|go in)|\bwide\b|\bsaved?\b|"
    r"keeper (?:held|caught|stopped|got|parried)|stay(?:ed|s) out|\boff the (?:post|bar|crossbar)|"
    r"\bunlucky|bad luck|no luck|outside the|over the bar|hit the (?:post|bar)|blocked"
)
_FINE = (
    r"(?:good|great|fine|nice|lovely|clean|sweet|superb|super|brilliant|beautiful|excellent|perfect|"
    r"fantastic|amazing|awesome|wonderful|stunning|incredible|terrific|magnificent|marvell?ous|"
    r"spectacular|sensational|impressive|outstanding|sublime|classy|cracking|unstoppable|tremendous|"
    r"world[- ]class)"
)
_BETWEEN = r"(?: [\w-]+)?"  # as in a great left-footed shot
_SCORED = re.compile(
    rf"\bgoal(?:!|$)|^goal\b|(?:what|that['’]?s|that is|it['’]?s|it is|this|is|{_FINE}){_BETWEEN} "
    rf"goal\b|{_FINE}{_BETWEEN} finish\b|goal (?:counts|stands)|\bscored?\b|went in\b|golazo|"
    r"keeper (?:had|stood) no chance|\bbeat the keeper|\b(?:buried|netted|slotted) it|"
    r"(?:straight|right|flew|went|goes) in(?:to)? the (?:top |bottom |far |near )?corner|"
    r"^top (?:corner|bins)|"
    r"(?:it|that)['’]s in\b|and in\b|"
    r"(?:back of|into|hit|found|in|bulged) the (?:back of the )?net\b|crossed the (?:goal )?line|"
    r"found the goal|says goal|flew into|celebrat|finish\b|inside the post|in off"
)
_DEED = r"(?:shot|strike|kick|hit|effort|attempt|volley|finish|goal|technique|power|placement)"
_PRAISE = re.compile(
    rf"\bwhat an?(?: [\w-]+){{0,2}} {_DEED}\b|\bwhat (?:power|placement)|"
    rf"{_FINE}{_BETWEEN} {_DEED}\b|"
    rf"\b{_FINE} (?:one|job|work|stuff)\b|^{_FINE}!|"
    r"(?:\bwell|ly) (?:struck|hit|taken|placed|done)\b|nailed it|congratulations|^bravo|screamer"
)
_IN_GENERAL = re.compile(r"\b(?:needs?|comes? from|(?:starts?|begins?) with)\b")

_SIDE = re.compile(
    r"\b(left|right)[- ](?:foot(?:ed|er)?|leg|boot|instep|laces|toes?|knee|one)\b"
    r"|\b(?:with|off) (?:the|your) (left|right)\b(?![- ]\w*(?:post|corner|side|foot|leg|boot|one))"
)
_STANDS = re.compile(r"\b(?:plant\w*|stand\w*|stood|support\w*|carr(?:y|ies|ied))\b")
_BOTH = re.compile(r"\b(?:each|both|also|other|weaker|too)\b")
_CUT = re.compile(r"[;.]|\band\b|, (?:your|as|the)\b")
_GOAL_SIDE = re.compile(
    r"\b(left|right)(?:-hand)? (?:post|corner|of the (?:middle|goal|cent)|side of the goal|edge)"
    r"|\bon the (left|right)\b"
)
_WISH = re.compile(r"\b(?:aim|try|next|further|place|shots? at|target)\b")

_NAMES = {
    "standing knee bend": r"\bstanding (?:knee|leg)|\bsupporting (?:knee|leg)|\bplanted? leg",
    "kicking knee bend": r"\b(?:kicking|striking|shooting) (?:knee|leg)",
    "trunk lean": r"\btrunk|\btorso|\bupper body|\blean(?:s|ed|ing)?\b",
    "hip drive": r"\bhips?\b|\bthigh",
}
_KNEE_LOW = (
    r"too (?:straight|stiff|little)|not (?:bent|bend) enough|n[o'’]t bent|more bend\b|"
    r"bend\b[^,;:]* more\b|bend the standing (?:knee|leg)(?! less)|"
    r"(?:is|so|nearly|almost|leg) (?:nearly |almost )?straight\b|\bstiff\b|\bbelow\b|"
    r"bend that knee|deeper"
)
_KNEE_HIGH = (
    r"too (?:far |much )?bent|bent too|bends? too|too (?:much|far|deep)|less bend|bend\b[^,;:]* "
    r"less|straighten|straighter|longer|gives? way|\babove\b|more bent than|far from straight|"
    r"unfold earlier|far bent"
)
_LEXICON = {
    "standing knee bend": (_KNEE_LOW, _KNEE_HIGH),
    "kicking knee bend": (_KNEE_LOW, _KNEE_HIGH),
    "trunk lean": (
        r"too (?:upright|small|little|straight)|lean\b[^,;:]* (?:further|farther|more)|more lean|"
        r"\bbelow\b",
        r"too (?:far|much|large|big)|leans? (?:less|far)|\babove\b|more upright|less lean",
    ),
    "hip drive": (
        r"too (?:slow|low|little|weak)|\bslow\b(?! kick)|faster|harder|more (?:hip|drive)|is low\b|"
        r"\bbelow\b",
        r"too (?:fast|high|hard|much)|more slowly|slow down|slower|\babove\b|very fast",
    ),
}
_GOOD = (
    r"\bgood\b|\bfine\b|nicely|excellent|perfect|\bwithin\b|in (?:the |its )?(?:good )?range|"
    r"no change|nothing to (?:fix|change|correct)|(?:do not|don['’]t) change|as it is|keep (?:it|"
    r"that)\b|\bfirmly\b(?= through)|\bwell over"
)
_NO_PRAISE = re.compile(  # the range, not how it was
    r"(?:where|and)? ?[\d. ]*(?:to|–|-|and)? ?\d+\s*(?:is|are) (?:good|the most that is good)|"
    r"(?:above|below|outside|beyond) the good range|the good range of|most that is good|"
    r"\bgood range\b(?! *[.;]? *$)(?= of)|(?:too near|near) an end|"
    rf"{_FINE}{_BETWEEN} {_DEED}s?\b"  # a shot as a whole
)
_UNJUDGED = re.compile(
    r"may or may not|can(?:not|['’]t)|could not|not measured|n[o'’]t known|nothing (?:can|is|was)\b"
    r"(?! to)|too near|unknown|rather say nothing|no advice|whether"
)  # fmt: skip


def why_not(sentence: str, facts: ShotFacts) -> str | None:
    """Return what is wrong with a sentence, in a few words; None where nothing is.

    Example:
        >>> why_not("It left your right foot at 92 km/h.", ShotFacts("goal", speed_kmh=79))
        '92 km/h is no fact'
    """
    if len(sentence) > LONGEST or _STUTTER.search(sentence):
        return "it has no end"
    if _MARKUP.search(sentence):
        return "it holds markup"
    text = " ".join(sentence.lower().split())
    for find in (_wrong_number, _wrong_foot, _wrong_result, _wrong_place, _wrong_direction):
        problem = find(text, facts)
        if problem is not None:
            return problem
    return None


def _as_digits(found: re.Match[str]) -> str:
    tens, ones, alone = found.groups()
    if alone is not None:
        return str(_DIGITS[alone])
    return str(_TENS[tens] + (_DIGITS[ones] if ones else 0))


def _numbers(text: str) -> Iterator[tuple[float, str, str]]:
    """Each number with its unit and how it is written; 15 of "15 to 55°" has the unit of 55."""
    text = _SPELT.sub(_as_digits, text)
    spans = list(_NUMBER.finditer(text))
    unit_after = ""
    found = []
    for place in range(len(spans) - 1, -1, -1):
        number = spans[place]
        after = text[number.end() :]
        rest = "" if after.startswith(" - ") else after.lstrip(" -")
        unit = next((name for form, name in _UNITS if re.match(form, rest)), "")
        if not unit and place + 1 < len(spans):
            between = text[number.end() : spans[place + 1].start()]
            unit = unit_after if re.fullmatch(r"\s*(?:to|–|-|and|or)\s*", between) else ""
        if not unit and _COUNTED.match(after):
            unit = "count"
        unit_after = unit
        found.append((float(number[1].replace(",", ".")), unit, number[1]))
    yield from reversed(found)


def _wrong_number(text: str, facts: ShotFacts) -> str | None:
    legs = _legs(text, facts)
    named = [name for name, form in _NAMES.items() if re.search(form, legs)]
    known = {
        "km/h": {
            *([facts.speed_kmh] if facts.speed_kmh else []),
            *(facts.speed_interval_kmh or ()),
        },
        "%": {float(one) for one in re.findall(r"\d+", facts.sure)},
        "m": {float(one) for one in re.findall(r"\d+\.\d+|\d+", facts.place)},
        "°": _figures(facts, named, "°"),
        "°/s": _figures(facts, named, "°/s"),
    }
    told = [float(one) for one in re.findall(r"\d+", f"{facts.why} {facts.remedy}")]
    everything = set().union(*known.values(), told)
    for value, unit, written in _numbers(text):
        is_fact = value in (known.get(unit, set()) if unit else everything)
        held = unit == "s" and _HELD.search(text) is not None
        if not (is_fact or unit == "count" or held):
            return f"{written} {unit} is no fact".replace("  ", " ")
    return None


def _figures(facts: ShotFacts, named: list[str], unit: str) -> set[float]:
    """Numbers that may be said of the measures that a sentence names; of all if it names none."""
    return {
        float(number)
        for one in facts.measures
        if one.unit == unit and (one.name in named or not named)
        for number in (one.value, one.low, one.high, one.good_low, one.good_high)
    }


def _wrong_foot(text: str, facts: ShotFacts) -> str | None:
    for found in _SIDE.finditer(text):
        side = found[1] or found[2]
        if facts.foot is None:
            return "the foot is not known"
        start = max((cut.end() for cut in _CUT.finditer(text, 0, found.start())), default=0)
        stop = _CUT.search(text, found.end())
        near = text[start : stop.start() if stop else len(text)]
        stands = _STANDS.search(near) is not None
        if (side == facts.foot) == stands and not _BOTH.search(near):
            return f"the {side} foot is the other one"
    return None


def _wrong_result(text: str, facts: ShotFacts) -> str | None:
    if facts.result in ("can't tell", "no shot") and _praises(text):
        return "nobody shoots" if facts.result == "no shot" else "the result is not known"
    open_ = _RESULT_OPEN.search(text) and _ABOUT_RESULT.search(text)
    if facts.result in ("can't tell", "no shot") and open_:
        return None
    for place in filter(None, facts.place.lower().split(", ")):
        text = text.replace(place, "")
    parts = re.split(r"[.;:] ?", text)
    claims = ". ".join(one for one in parts if not _about_others(one))
    if text.endswith("!") or "! " in text:
        claims = text
    missed = _MISSED.search(claims) is not None
    scored = _SCORED.search(_MISSED.sub("", claims)) is not None
    if facts.result == "no shot":
        claims = re.sub(r"no (?:shot|kick)", "", claims)
        return (
            "nobody shoots"
            if missed or scored or re.search(r"your (?:shot|kick)\b", claims)
            else None
        )
    if facts.result == "can't tell":
        return "the result is not known" if missed or scored else None
    if re.search(r"(?:can(?:no|['’])?t|cannot|not clear)\b.*\b(?:in|goal|scored|out|line)\b", text):
        return "the result is known"
    if facts.result == "goal" and missed:
        return "it was a goal"
    return "it was no goal" if facts.result == "no goal" and scored else None


def _praises(text: str) -> bool:
    """Whether this shot is praised; not a good shot in general, nor the next one."""
    clauses = re.split(r"(?<=[.;:,!]) ", text)
    return any(_PRAISE.search(one) and not _about_others(one) for one in clauses)


def _about_others(text: str) -> bool:
    """Whether it speaks of shots in general, or of the next one."""
    return _IN_GENERAL.search(text) is not None or _NOT_YET.search(text) is not None


def _wrong_place(text: str, facts: ShotFacts) -> str | None:
    for found in _GOAL_SIDE.finditer(text):
        side = found[1] or found[2]
        if not _WISH.search(text) and f"{side} of the middle" not in facts.place:
            return f"it did not cross on the {side}"
    return None


def _legs(text: str, facts: ShotFacts) -> str:
    """The text with a leg of a side called the kicking or the standing one."""
    if facts.foot is None:
        return text
    other = "left" if facts.foot == "right" else "right"
    text = re.sub(rf"\b{facts.foot} (?=leg|knee)", "kicking ", text)
    return re.sub(rf"\b{other} (?=leg|knee)", "standing ", text)


def _wrong_direction(text: str, facts: ShotFacts) -> str | None:
    text = _legs(text, facts)
    flags = {one.name: one.standing for one in facts.measures}
    name = None
    for clause in re.split(r"[;:,.](?= |$)| but ", text):
        here = [one for one, form in _NAMES.items() if re.search(form, clause)]
        name = here[0] if here else name
        if name is None or _UNJUDGED.search(clause):
            continue
        low, high = (re.search(form, clause) is not None for form in _LEXICON[name])
        good = re.search(_GOOD, _NO_PRAISE.sub("", clause)) is not None and not (low or high)
        standing = flags.get(name)
        says = "low" if low else "high" if high else "good" if good else None
        if says is None or (low and high):
            continue
        if standing is None:
            return f"the {name} was not measured"
        if says != standing:
            return f"the {name} is {standing}"
    return None
