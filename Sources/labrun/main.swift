import LabrunCommands
import LinuxKernel
import Runner

// A lab host enters its namespaces before anything can start a thread.
if let channels = LabNamespace.enterIfAsked() {
    await NamespaceTrials.runIfAsked(channels)
    await LabHost.run(channels)
}
await LabrunCommand.start()
