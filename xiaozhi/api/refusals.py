"""What is wrong with a request, in the API's words (contract 2.3): clients match on them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from xiaozhi.errors import InvalidRequest

NOT_JSON = (
    "We could not parse the JSON body of your request. (HINT: This likely means you aren't using "
    "your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not "
    "valid JSON.)"
)

_EXPECTED = {
    "string_type": "a string",
    "int_type": "an integer",
    "int_parsing": "an integer",
    "int_from_float": "an integer",
    "float_type": "a decimal",
    "bool_type": "a boolean",
    "bool_parsing": "a boolean",
    "list_type": "an array",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
}


def refusal(errors: Sequence[Mapping[str, Any]], body: Any) -> InvalidRequest:
    """`errors`: pydantic's, of one request. `body`: what was sent, parsed.

    Of several, an unknown key is told first.
    """
    errors = sorted(errors, key=lambda error: error["type"] != "extra_forbidden")
    error = errors[0]
    source, *loc = error["loc"]
    kind: str = error["type"]
    is_no_object = source == "body" and not loc and (kind == "missing" or kind in _EXPECTED)
    if kind == "json_invalid" or is_no_object:
        return InvalidRequest(NOT_JSON)
    param = path(loc, body if source == "body" else None)
    if kind in _EXPECTED:
        expected, got = _EXPECTED[kind], _kind_of(error["input"])
        words = f"Invalid type for '{param}': expected {expected}, but got {got} instead."
        return InvalidRequest(words, param=param, code="invalid_type")
    return _BY_TYPE.get(kind, _other)(param, error)


def path(loc: Sequence[str | int], body: Any) -> str:
    """`tools[0].function.name`: the place in `body`, without the branches that pydantic took."""
    words = ""
    value = body
    after_branch = False
    for position, key in enumerate(loc):
        if isinstance(key, str) and key.startswith("="):
            after_branch = True
            continue
        # Unions of objects are told apart by their `type`, which then stands in the path.
        last = position == len(loc) - 1
        if after_branch and not last and _inside(value, "type") == key:
            after_branch = False
            continue
        after_branch = isinstance(key, int)
        # A list in a query is written "include[]=…".
        name = key.removesuffix("[]") if isinstance(key, str) else f"[{key}]"
        words += f".{name}" if words and isinstance(key, str) else name
        value = _inside(value, key)
    return words


def _inside(value: Any, key: str | int) -> Any:
    try:
        return value[key]
    except (KeyError, IndexError, TypeError):
        return None


def _kind_of(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int():
            return "an integer"
        case float():
            return "a decimal"
        case str():
            return "a string"
        case list():
            return "an array"
        case _:
            return "an object"


def _missing(param: str, error: Mapping[str, Any]) -> InvalidRequest:
    words = f"Missing required parameter: '{param}'."
    return InvalidRequest(words, param=param, code="missing_required_parameter")


def _missing_type(param: str, error: Mapping[str, Any]) -> InvalidRequest:
    return _missing(f"{param}.type" if param else "type", error)


def _unknown(param: str, error: Mapping[str, Any]) -> InvalidRequest:
    words = f"Unknown parameter: '{param}'."
    return InvalidRequest(words, param=param, code="unknown_parameter")


def _not_one_of(param: str, error: Mapping[str, Any]) -> InvalidRequest:
    expected: str = error["ctx"]["expected"]
    words = f"Invalid value: '{error['input']}'. Supported values are: {_and(expected)}."
    return InvalidRequest(words, param=param, code="invalid_value")


def _no_such_type(param: str, error: Mapping[str, Any]) -> InvalidRequest:
    expected: str = error["ctx"]["expected_tags"]
    words = f"Invalid value: '{error['ctx']['tag']}'. Supported values are: {_and(expected)}."
    param = f"{param}.type" if param else "type"
    return InvalidRequest(words, param=param, code="invalid_value")


def _and(expected: str) -> str:
    """Pydantic's "'a', 'b' or 'c'" as the API says it: "'a', 'b', and 'c'"."""
    values = expected.replace(" or ", ", ").split(", ")
    if len(values) < 3:
        return " and ".join(values)
    return ", ".join(values[:-1]) + f", and {values[-1]}"


def _long_string(param: str, error: Mapping[str, Any]) -> InvalidRequest:
    length, got = error["ctx"]["max_length"], len(error["input"])
    words = (
        f"Invalid '{param}': string too long. Expected a string with maximum length {length}, "
        f"but got a string with length {got} instead."
    )
    return InvalidRequest(words, param=param, code="string_above_max_length")


def _empty_string(param: str, error: Mapping[str, Any]) -> InvalidRequest:
    words = (
        f"Invalid '{param}': empty string. Expected a string with minimum length "
        f"{error['ctx']['min_length']}, but got an empty string instead."
    )
    return InvalidRequest(words, param=param, code="empty_string")


def _long_list(param: str, error: Mapping[str, Any]) -> InvalidRequest:
    words = (
        f"Invalid '{param}': array too long. Expected an array with maximum length "
        f"{error['ctx']['max_length']}, but got an array with length {len(error['input'])} instead."
    )
    return InvalidRequest(words, param=param, code="array_above_max_length")


def _short_list(param: str, error: Mapping[str, Any]) -> InvalidRequest:
    words = (
        f"Invalid '{param}': empty array. Expected an array with minimum length "
        f"{error['ctx']['min_length']}, but got an empty array instead."
    )
    return InvalidRequest(words, param=param, code="array_below_min_length")


def _too_large(param: str, error: Mapping[str, Any]) -> InvalidRequest:
    return _out_of_range(param, error["input"], "above maximum", "<=", error["ctx"]["le"], "max")


def _too_small(param: str, error: Mapping[str, Any]) -> InvalidRequest:
    return _out_of_range(param, error["input"], "below minimum", ">=", error["ctx"]["ge"], "min")


def _out_of_range(
    param: str, value: Any, where: str, sign: str, limit: float, word: str
) -> InvalidRequest:
    kind = "decimal" if isinstance(value, float) or isinstance(limit, float) else "integer"
    words = (
        f"Invalid '{param}': {kind} {where} value. Expected a value {sign} {limit:g}, "
        f"but got {value} instead."
    )
    direction = where.split()[0]
    return InvalidRequest(words, param=param, code=f"{kind}_{direction}_{word}_value")


def _pattern(param: str, error: Mapping[str, Any]) -> InvalidRequest:
    words = (
        f"Invalid '{param}': string does not match pattern. "
        f"Expected a string that matches the pattern '{error['ctx']['pattern']}'."
    )
    return InvalidRequest(words, param=param, code="invalid_value")


def _said_already(param: str, error: Mapping[str, Any]) -> InvalidRequest:
    words: str = error["msg"]
    words = words if words[0].isupper() else f"{_invalid(param)}: {words}"
    return InvalidRequest(words, param=param or None, code=error["type"])


def _invalid(param: str) -> str:
    return f"Invalid '{param}'" if param else "Invalid body"


def _missing_last_messages(param: str, error: Mapping[str, Any]) -> InvalidRequest:
    return _missing(f"{param}.last_messages", error)


def _half_character(param: str, error: Mapping[str, Any]) -> InvalidRequest:
    """A string may hold it, or the name of a property: of the whole body, or of what it holds."""
    is_key = error["loc"][-1] == "[key]"
    if is_key:
        param = param.removesuffix(".[key]").rpartition(".")[0]
    what = "the name of a property" if is_key or not param else "the string"
    words = f"{_invalid(param)}: {what} holds half a character (an unpaired surrogate)."
    return InvalidRequest(words, param=param or None, code="invalid_type")


def _other(param: str, error: Mapping[str, Any]) -> InvalidRequest:
    return InvalidRequest(f"Invalid '{param}': {error['msg']}.", param=param, code="invalid_value")


_BY_TYPE: Mapping[str, Callable[[str, Mapping[str, Any]], InvalidRequest]] = {
    "missing": _missing,
    "union_tag_not_found": _missing_type,
    "missing_last_messages": _missing_last_messages,
    "extra_forbidden": _unknown,
    "literal_error": _not_one_of,
    "union_tag_invalid": _no_such_type,
    "string_too_long": _long_string,
    "string_too_short": _empty_string,
    "too_long": _long_list,
    "too_short": _short_list,
    "less_than_equal": _too_large,
    "greater_than_equal": _too_small,
    "string_pattern_mismatch": _pattern,
    "object_above_max_properties": _said_already,
    "property_name_above_max_length": _said_already,
    "string_above_max_length": _said_already,
    "string_unicode": _half_character,
}
