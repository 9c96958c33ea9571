import Benchmarks
import Datapath
import LinuxKernel
import PacketChecks

#if canImport(Glibc)
    import Glibc
#endif

// Checks and measures the datapath. `labrun image verify` and `labrun image bench` run it in nodes. On any other
// machine it needs root and makes namespaces for itself. The bench starts agents, which are this program under the
// agent's name.
//
// Exit status: 0 if all checks passed or every bound holds, 1 if not, 2 for wrong usage, 3 if this machine lacks what
// is needed.
let usage = """
    usage: labverify selftest [--json] [--fuzz N] [--seed N]       run the BPF programs on prepared packets
           labverify bench [--json] [--rounds N] [--only PART]     measure the datapath

    """
let program = CommandLine.arguments.first?.split(separator: "/").last.map(String.init)
if program.map(DatapathProgram.names.contains) == true { DatapathProgram.main(as: program) }
let command = CommandLine.arguments.dropFirst().first
guard let command, ["selftest", "bench", "--help", "-h"].contains(command) else {
    try? FileDescriptor(owning: dup(2)).writeAll(usage.utf8)
    exit(2)
}
if command.hasPrefix("-") {
    print(usage)
    exit(0)
}
var lack: String?
do {
    if let status = try PrivateMachine.enter() { exit(status) }
} catch {
    lack = "\(error)"
}
let arguments = Array(CommandLine.arguments.dropFirst(2))
switch command {
case "selftest": exit(DatapathSelftest.main(arguments: arguments, lack: lack))
default: exit(DatapathBench.main(arguments: arguments, lack: lack))
}
