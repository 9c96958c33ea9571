import Glibc

// Test cases that need namespaces of their own. The test targets run them inside `unshare`, one case in a process.
// Usage: namespace-selftest CASE

let cases: [(name: String, run: @Sendable () async throws -> Void)] =
    netlinkCases + securityGroupCases + observationCases + routerCases + cloudCases

guard CommandLine.arguments.count == 2 else {
    print(cases.map(\.name).joined(separator: "\n"))
    exit(2)
}
guard let selected = cases.first(where: { $0.name == CommandLine.arguments[1] }) else {
    print("no case named \(CommandLine.arguments[1])")
    exit(2)
}
do {
    try await selected.run()
    print("passed \(selected.name)")
} catch {
    print("failed \(selected.name): \(error)")
    exit(1)
}
