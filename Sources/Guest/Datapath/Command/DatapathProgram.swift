#if canImport(Glibc)
    import Glibc
#endif

/// The process. By the name under which it was called, it is the agent with its command line, or the CNI plugin.
public enum DatapathProgram {
    public static let names: Set<String> = ["datapathd", CNIPlugin.programName]

    /// - Parameter program: The last part of the path under which it was called.
    public static func main(as program: String?) -> Never {
        if program == CNIPlugin.programName { exit(CNIPlugin.run(environment: environmentVariables())) }
        exit(DatapathCommand.run(Array(CommandLine.arguments.dropFirst())))
    }

    /// Returns the environment as a dictionary. If a name comes twice, the first counts, as for getenv(3).
    private static func environmentVariables() -> [String: String] {
        var variables: [String: String] = [:]
        var entry = environ
        while let text = entry.pointee {
            let parts = String(cString: text).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if parts.count == 2, variables[String(parts[0])] == nil { variables[String(parts[0])] = String(parts[1]) }
            entry += 1
        }
        return variables
    }
}
