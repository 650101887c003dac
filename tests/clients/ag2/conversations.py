"""ag2's GPTAssistantAgent."""

import json
import sys
import uuid

from autogen import UserProxyAgent
from autogen.agentchat.contrib.gpt_assistant_agent import GPTAssistantAgent

called = []
# It looks for an assistant of its name, and would find those of earlier conversations.
NAME = f"ag2-{uuid.uuid4()}"
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "How the weather is in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}


def weather(city: str) -> str:
    called.append({"city": city})
    return "sunny, 25 °C"


def agent(tools):
    made = GPTAssistantAgent(
        name=NAME,
        instructions="Be brief.",
        llm_config={"config_list": [{"model": "scripted"}]},
        assistant_config={"tools": tools},
    )
    made.llm_config["check_every_ms"] = 20  # it loses the one in its configuration
    made.register_function(function_map={"weather": weather})
    return made


def talked(assistant, *said):
    user = UserProxyAgent("user", human_input_mode="NEVER", code_execution_config=False)
    for words in said:
        user.send(words, assistant, request_reply=False, silent=True)
        reply = assistant.generate_reply(sender=user)
        assistant.send(reply, user, request_reply=False, silent=True)
    history = user.chat_messages[assistant]
    return [message["content"].strip() for message in history if message["role"] == "user"]


def two_turns():
    return {"answers": talked(agent([]), "你好", "What did I say?")}


def function():
    return {"answers": talked(agent([WEATHER]), "How is 北京?"), "called": called}


print(json.dumps({"two_turns": two_turns, "function": function}[sys.argv[1]]()))
