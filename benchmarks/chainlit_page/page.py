"""A peer of our page: a chat as Chainlit's own documentation writes it, straight on the model.

Run by Chainlit in an environment of its own; the model's address is in MODEL_URL, how many
messages there are in HISTORY.
"""

import os

import chainlit as cl
from openai import AsyncOpenAI

client = AsyncOpenAI(base_url=os.environ["MODEL_URL"], api_key="x")
ROLES = ("user", "assistant")
KINDS = ("user_message", "assistant_message")


@cl.on_chat_start
async def begin() -> None:
    said = [
        {"role": ROLES[number % 2], "content": f"Message {number} of a conversation."}
        for number in range(int(os.environ.get("HISTORY", "0")))
    ]
    cl.user_session.set("messages", said)
    for number, message in enumerate(said):
        await cl.Message(message["content"], type=KINDS[number % 2]).send()


@cl.on_message
async def answer(asked: cl.Message) -> None:
    messages = cl.user_session.get("messages")
    messages.append({"role": "user", "content": asked.content})
    said = cl.Message("")
    stream = await client.chat.completions.create(model="scripted", messages=messages, stream=True)
    async for chunk in stream:
        if chunk.choices and (token := chunk.choices[0].delta.content):
            await said.stream_token(token)
    await said.update()
    messages.append({"role": "assistant", "content": said.content})
