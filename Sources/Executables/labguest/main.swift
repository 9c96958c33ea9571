import Datapath
import NodePlugins
import NodeRuntime

// One static binary is all programs of a node, told apart by the name by which it is called. A node's RAM holds the
// binary twice while the kernel unpacks it, and half of each program is Swift's runtime.
CallProgram.runIfCalled()
let program = CommandLine.arguments.first?.split(separator: "/").last.map(String.init)
if program.map(DatapathProgram.names.contains) == true { DatapathProgram.main(as: program) }
if let program, NodePlugins.names.contains(program) { NodePlugins.main(as: program) }
NodeRuntime.main()
