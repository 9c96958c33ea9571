import LabrunCommands
import LinuxKernel
import Runner

#if canImport(Glibc)
    import Glibc
#endif

// A reader of our output that goes away is told by the failed write.
signal(SIGPIPE, SIG_IGN)

// A lab host enters its namespaces before anything can start a thread.
if let channels = LabNamespace.enterIfAsked() {
    await NamespaceTrials.runIfAsked(channels)
    await ImageTrial.runIfAsked(channels)
    await LabHost.run(channels)
}
await LabrunCommand.start()
