"""The paths under which the API can be reached: OpenAI's, and those of Azure's clients.

`AzureOpenAI(azure_endpoint=…)` calls `{endpoint}/openai/…`; in the newer form of its API Azure has
`{endpoint}/openai/v1/…`. Neither wants the header `OpenAI-Beta`.
"""

OPENAI = "/v1"
AZURE = ("/openai/v1", "/openai")
# The longer ones first: the first one that fits is taken.
BASES = (OPENAI, *AZURE)


def base_of(path: str) -> str | None:
    """Under which of them `path` lies; None where it is no path of the API."""
    return next((base for base in BASES if path.startswith(base + "/")), None)
