"""LangChain's OpenAIAssistantV2Runnable."""

import json
import sys

from langchain_community.agents.openai_assistant import OpenAIAssistantV2Runnable
from langchain_core.tools import tool

called = []


@tool
def weather(city: str) -> str:
    """How the weather is in a city."""
    called.append({"city": city})
    return "sunny, 25 °C"


def two_turns():
    assistant = OpenAIAssistantV2Runnable.create_assistant(
        name="LangChain's",
        instructions="Be brief.",
        tools=[],
        model="scripted",
        check_every_ms=20,
    )
    [first] = assistant.invoke({"content": "你好"})
    [second] = assistant.invoke({"content": "What did I say?", "thread_id": first.thread_id})
    return {"answers": [message.content[0].text.value for message in (first, second)]}


def function():
    from langchain_classic.agents import AgentExecutor  # slow

    agent = OpenAIAssistantV2Runnable.create_assistant(
        name="LangChain's",
        instructions="Be brief.",
        tools=[weather],
        model="scripted",
        as_agent=True,
        check_every_ms=20,
    )
    finish = AgentExecutor(agent=agent, tools=[weather]).invoke({"content": "How is 北京?"})
    return {"answers": [finish["output"]], "called": called}


print(json.dumps({"two_turns": two_turns, "function": function}[sys.argv[1]]()))
