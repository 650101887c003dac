"""Fields of an endpoint's chunks that are read, or hold nothing of an answer.

Whatever else says something is not understood: an answer that has nothing but that has failed
(`wire.py`). Seen at OpenAI, Azure, OpenRouter, Groq, vLLM, llama.cpp, Perplexity, MiniMax, LiteLLM.
"""

OF_A_CHUNK = frozenset(
    {
        "id",
        "object",
        "created",
        "model",
        "provider",
        "system_fingerprint",
        "service_tier",
        "usage",
        "choices",
        "error",
        "obfuscation",
        "type",
        "event",
        "x_groq",
        "prompt_filter_results",
        "request_id",
        "nonce",
        "timings",
        "citations",
        "search_results",
        "base_resp",
        "stats",
    }
)
OF_A_CHOICE = frozenset(
    {
        "index",
        "delta",
        "message",
        "text",
        "finish_reason",
        "native_finish_reason",
        "stop_reason",
        "logprobs",
        "error",
        "usage",
        "content_filter_results",
        "content_filter_offsets",
        "content_filter_result",
        "token_ids",
        "matched_stop",
    }
)
OF_A_DELTA = frozenset(
    {
        "role",
        "content",
        "refusal",
        "tool_calls",
        "function_call",
        "name",
        "tool_call_id",
        "obfuscation",
        "annotations",
        "reasoning_details",
        "thinking_blocks",
        "provider_specific_fields",
        "extra_content",
        "logprobs",
        "signature",
        "index",
        "id",
        "reasoning_content",
        "reasoning",
        "thinking",
    }
)
