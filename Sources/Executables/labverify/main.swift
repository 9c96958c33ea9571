import Benchmarks
import Datapath
import LinuxKernel
import PacketChecks

#if canImport(Glibc)
    import Glibc
#endif

// Checks and measures the datapath: in nodes of `labrun image verify` and `labrun image bench`, and on this machine as root. The nodes
// of labs do not carry it. The bench starts agents, which are this program by the agent's name.
let usage = """
    usage: labverify selftest [--json] [--fuzz N] [--seed N]       run the BPF programs on prepared packets
           labverify bench [--json] [--rounds N] [--only PART]     measure the datapath

    """
let program = CommandLine.arguments.first?.split(separator: "/").last.map(String.init)
if program.map(DatapathProgram.names.contains) == true { DatapathProgram.main(as: program) }
let arguments = Array(CommandLine.arguments.dropFirst(2))
switch CommandLine.arguments.dropFirst().first {
case "selftest": exit(DatapathSelftest.main(arguments: arguments))
case "bench": exit(DatapathBench.main(arguments: arguments))
case "--help", "-h":
    print(usage)
    exit(0)
default:
    try? FileDescriptor(owning: dup(2)).writeAll(usage.utf8)
    exit(2)
}
