import Datapath

#if canImport(Glibc)
    import Glibc
#endif

/// The environment as a dictionary; of a name that comes twice the first counts, as for getenv(3).
func environmentVariables() -> [String: String] {
    var variables: [String: String] = [:]
    var entry = environ
    while let text = entry.pointee {
        let parts = String(cString: text).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        if parts.count == 2, variables[String(parts[0])] == nil { variables[String(parts[0])] = String(parts[1]) }
        entry += 1
    }
    return variables
}

let program = CommandLine.arguments.first?.split(separator: "/").last.map(String.init)
if program == CNIPlugin.programName {
    exit(CNIPlugin.run(environment: environmentVariables()))
}
exit(DatapathCommand.run(Array(CommandLine.arguments.dropFirst())) { DatapathSelftest.main(arguments: $0) })
