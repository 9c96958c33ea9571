import LabrunCommands
import LinuxKernel
import Runner

#if canImport(Glibc)
    import Glibc
#endif

// If the reader of our output goes away, a failed write says so.
signal(SIGPIPE, SIG_IGN)

// A lab host enters its namespaces before anything can start a thread.
if let channels = LabNamespace.enterIfAsked() {
    await NamespaceTrials.runIfAsked(channels)
    await ImageTrial.runIfAsked(channels)
    await LabHost.run(channels)
}
await LabrunCommand.start()
