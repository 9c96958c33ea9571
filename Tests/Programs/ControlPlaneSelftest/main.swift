import Glibc
import Operator
import ServerProgram

// Cases of a control plane with real servers, in namespaces of its own. The tests run them under unshare(1), one case
// in a process. LABRUN_CONTROL_PLANE_BIN names the folder of the servers. Usage: control-plane-selftest CASE

// What labrun brings itself is started from the executable of the program that has the control plane.
await ServerProgram.runIfAsked([.datapathOperator])

let cases: [(name: String, run: @Sendable () async throws -> Void)] =
    servingCases + restartCases + disturbanceCases + clientCases + objectCases + operatorCases
    + manifestCases + cloudCases + mutationCases

guard let selected = cases.first(where: { $0.name == CommandLine.arguments.last }) else {
    print(cases.map(\.name).joined(separator: "\n"))
    exit(2)
}
do {
    try await selected.run()
    print("passed \(selected.name)")
} catch {
    print("failed \(selected.name): \(error)")
    exit(1)
}
