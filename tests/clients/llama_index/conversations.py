"""LlamaIndex's OpenAIAssistantAgent."""

import json
import sys

from llama_index.agent.openai import OpenAIAssistantAgent
from llama_index.core.tools import FunctionTool

called = []


def weather(city: str) -> str:
    """How the weather is in a city."""
    called.append({"city": city})
    return "sunny, 25 °C"


def agent(tools):
    return OpenAIAssistantAgent.from_new(
        name="LlamaIndex's",
        instructions="Be brief.",
        tools=tools,
        model="scripted",
        run_retrieve_sleep_time=0.02,
    )


def two_turns():
    alone = agent([])
    return {"answers": [str(alone.chat("你好")), str(alone.chat("What did I say?"))]}


def function():
    answer = agent([FunctionTool.from_defaults(weather)]).chat("How is 北京?")
    return {"answers": [str(answer)], "called": called}


print(json.dumps({"two_turns": two_turns, "function": function}[sys.argv[1]]()))
