extension AgentCore {
    /// Rids the conntrack tables of what has expired, when it is time. What cannot be done now is done the next time: an
    /// expired entry is void to the programs anyway.
    mutating func collectConnections() {
        do {
            _ = try conntrack.collectIfDue { _, _ in }
        } catch {
            Log.warning("cannot collect expired connections", ["error": "\(error)"])
        }
    }
}
