// What the programs of both openai-node versions share: nothing of the package itself.

export const WEATHER = {
  type: "function",
  function: {
    name: "weather",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
};

/** What a stream's listeners hear, in order. */
export function heard(stream) {
  const events = [];
  stream
    .on("messageCreated", () => events.push(["messageCreated"]))
    .on("textCreated", () => events.push(["textCreated"]))
    .on("textDelta", (delta, snapshot) => events.push(["textDelta", delta.value, snapshot.value]))
    .on("textDone", (content) => events.push(["textDone", content.value]))
    .on("messageDone", (message) => events.push(["messageDone", message.status]))
    .on("toolCallCreated", (call) => events.push(["toolCallCreated", call.function.name]))
    .on("toolCallDone", (call) => events.push(["toolCallDone", call.function.arguments]))
    .on("runStepDone", (step) => events.push(["runStepDone", step.type]))
    .on("end", () => events.push(["end"]));
  return events;
}

/** All items of a list, page after page. */
export async function everything(list) {
  const found = [];
  for await (const item of list) found.push(item);
  return found;
}

export const texts = (messages) => messages.map((message) => message.content[0].text.value);

/** Answers a run's calls: [what the function was given, what to submit]. */
export function answered(run) {
  const calls = run.required_action.submit_tool_outputs.tool_calls;
  return [
    calls.map((call) => JSON.parse(call.function.arguments)),
    calls.map((call) => ({ tool_call_id: call.id, output: "sunny, 25 °C" })),
  ];
}
