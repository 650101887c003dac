"""How many items a list in a request may hold (contract 4 to 7).

A list ends at its first wrong item (`fail_fast`), and an object at its first unknown key
(`requests.Body`): a request that is wrong in a million places costs one error.
"""

# Of one request; the next request may bring more. Each costs the database's one writer 0.3 ms.
# OpenAI's service took 32, but its reference names no limit.
MESSAGES = 1_000
MOVED_MESSAGES = 10_000  # of an exchange: ids of messages that are there already
PATCHED_MESSAGES = 100  # of an exchange: whose metadata it changes
PARTS = 500  # of a message's content; OpenAI's models take 500 pictures a request
ATTACHMENTS = 500
ATTACHMENT_TOOLS = 16  # there are two kinds
TOOL_OUTPUTS = 10_000  # one for each call of a turn, of which a model makes as many as it likes
