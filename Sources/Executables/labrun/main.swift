import LabrunCommands
import LinuxKernel
import Runner

#if canImport(Glibc)
    import Glibc
#endif

// If the reader of our output goes away, a failed write says so.
signal(SIGPIPE, SIG_IGN)

// Namespaces are joined, and those of a lab host entered, before anything can start a thread.
LabJoin.joinIfAsked()
if let channels = LabNamespace.enterIfAsked() {
    await NamespaceTrials.runIfAsked(channels)
    await ImageTrial.runIfAsked(channels)
    await LabHost.run(channels)
}
await LabrunCommand.start()
