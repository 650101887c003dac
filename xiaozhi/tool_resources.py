"""`tool_resources` in requests: which files the built-in tools may use (contract 4).

Until those are there, a program can only say that it has none, as most do as a matter of course.
"""

from typing import Annotated, Any

from pydantic import Field

from xiaozhi.json_objects import Text
from xiaozhi.request_body import Body

# The list that objects show of each tool
_SHOWN = {"code_interpreter": "file_ids", "file_search": "vector_store_ids"}


class CodeInterpreterResources(Body):
    file_ids: Annotated[list[Text], Field(max_length=20, fail_fast=True)] | None = None


class FileSearchResources(Body):
    vector_store_ids: Annotated[list[Text], Field(max_length=1, fail_fast=True)] | None = None
    vector_stores: Annotated[list[dict[str, Any]], Field(max_length=1)] | None = None


class ToolResources(Body):
    code_interpreter: CodeInterpreterResources | None = None
    file_search: FileSearchResources | None = None

    @property
    def name_files(self) -> bool:
        return any(ids for _, of_tool in self for _, ids in of_tool or ())

    def kept(self) -> dict[str, dict[str, list[str]]]:
        """As assistants, threads and runs show resources without files, tool by tool."""
        return {tool: {_SHOWN[tool]: []} for tool in self.given()}
