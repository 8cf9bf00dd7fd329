// Runs @cloud-copilot/iam-simulate: reads an array of simulations from standard input and writes an array of results.
// It runs as a separate process and is not shipped.
const { runSimulation } = require('@cloud-copilot/iam-simulate')

const read = async () => {
  let text = ''
  for await (const chunk of process.stdin.setEncoding('utf8')) text += chunk
  return JSON.parse(text)
}

const simulated = async (simulation) => {
  const ran = await runSimulation(simulation, {})
  if (ran.resultType !== 'single') return { error: JSON.stringify(ran) }
  const { analysis, ignoredContextKeys } = ran.result
  return {
    overall: ran.overallResult,
    ignored: ignoredContextKeys,
    identity: analysis.identityAnalysis?.result,
    resource: analysis.resourceAnalysis?.result,
    endpoint: analysis.endpointAnalysis?.result,
    boundary: analysis.permissionBoundaryAnalysis?.result,
    session: analysis.sessionAnalysis?.result,
    service_control: analysis.scpAnalysis?.result,
    resource_control: analysis.rcpAnalysis?.result
  }
}

const main = async () => {
  const results = []
  for (const simulation of await read()) results.push(await simulated(simulation))
  process.stdout.write(JSON.stringify(results))
}

main().catch((error) => {
  console.error(error)
  process.exitCode = 1
})
