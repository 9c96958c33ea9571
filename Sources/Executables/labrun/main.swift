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

// A server of a lab's control plane that labrun brings itself, under a name of its own. Whoever is none must not wait for
// the answer: an `await` starts threads, and a process with threads cannot make a user namespace (EINVAL).
let ownServers: [ServerProgram] = [.datapathOperator, CloudControllerProgram.program]
if ownServers.contains(where: { $0.name == CommandLine.arguments.first }) {
    await ServerProgram.runIfAsked(ownServers)
}

// Namespaces are joined, and those of a lab host entered, before anything can start a thread.
LabJoin.joinIfAsked()
if let channels = LabNamespace.enterIfAsked() {
    await NamespaceTrials.runIfAsked(channels)
    await ImageTrial.runIfAsked(channels)
    await LabHost.run(channels)
}
await LabrunCommand.start()
