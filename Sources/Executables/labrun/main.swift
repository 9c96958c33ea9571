import CloudController
import LabrunCommands
import LinuxKernel
import Operator
import Runner
import ServerProgram

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
// A server of a lab's control plane that labrun brings itself, under a name of its own. Waiting for anything starts
// threads, so this comes after the namespaces.
await ServerProgram.runIfAsked([.datapathOperator, CloudControllerProgram.program])
await LabrunCommand.start()
