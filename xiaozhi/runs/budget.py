"""How many tokens a turn of a run may read and write. Pure.

`max_prompt_tokens` and `max_completion_tokens` are sums over all turns of a run (contract 7.9).
What a turn will read is estimated (`tokens.py`), rather too high; what it has read is known.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from openai.types.beta.threads import Message, Run
from openai.types.beta.threads.runs import RunStep

from xiaozhi import tokens
from xiaozhi.runs.prompt import first_kept, turns
from xiaozhi.runs.steps import total_usage
from xiaozhi.store.reasoning_rows import Reasoning

# What an answer may need of a window that prompt and answer share: a quarter, at most this
ANSWER = 2_048  # tokens
# Of a model that nobody knows the window of, as most endpoints do not tell it: as much as the
# largest ones have. Where the model has less, its endpoint says so.
WINDOW = 1_000_000  # tokens


@dataclass(frozen=True, slots=True)
class Budget:
    """`completion`: tokens that may be written; None: as many as the model likes. `messages`:
    tokens that the thread's messages may have. `limited`: whether the run itself limits its prompt.
    """

    completion: int | None
    messages: int
    limited: bool = False

    def first(self, sizes: Sequence[int]) -> int | None:
        """Which of the messages is the first to send; None where there is no room for any.

        `sizes`: tokens, oldest first.
        """
        if self.limited and self.messages < (sizes[-1] if sizes else 0):
            return None
        return first_kept(sizes, self.messages)


def budget(
    run: Run,
    window: int | None,
    steps: Iterable[RunStep] = (),
    own: Mapping[str, Message] | None = None,
    thoughts: Sequence[Reasoning] = (),
) -> Budget:
    """For the run's next turn. `window`: of the model, in tokens.

    `steps`, `own`, `thoughts`: what the run has done, as `prompt` takes it.
    """
    done = list(steps)
    used = total_usage(done)
    completion = run.max_completion_tokens
    if completion is not None:
        completion -= used["completion_tokens"]
    window = WINDOW if window is None else window
    room = window - min(ANSWER, window // 4)
    limit = run.max_prompt_tokens
    if limit is not None:
        limit -= used["prompt_tokens"]
        room = min(room, limit)
    room -= _fixed(run, done, own or {}, thoughts)
    return Budget(completion, room, limited=limit is not None)


def _fixed(
    run: Run, steps: Iterable[RunStep], own: Mapping[str, Message], thoughts: Sequence[Reasoning]
) -> int:
    """Tokens of what is sent whatever happens: instructions, functions, the run's own turns."""
    texts = [run.instructions] if run.instructions else []
    texts += [tool.to_json(indent=None) for tool in run.tools]
    for turn in turns(steps, own, thoughts):
        # Whatever field a provider has its reasoning in: all of it is read again
        texts += [value for key, value in turn.items() if key != "role" and isinstance(value, str)]
        for call in turn.get("tool_calls", ()):
            texts.append(call["function"]["name"] + call["function"]["arguments"])
    return sum(tokens.AROUND_A_MESSAGE + tokens.of_text(text) for text in texts)
