extension AgentCore {
    /// Rids the conntrack tables of what has expired, when it is time. What cannot be done now is done the next time: an
    /// expired entry is void to the programs anyway. Backends that have left go with their last connection.
    mutating func collectConnections() {
        do {
            var backends: Set<UInt32> = []
            let collected = try conntrack.collectIfDue { key, entry in
                if key.direction == .service { backends.insert(entry.backend) }
            }
            if collected { try services.collect(inUse: backends) }
        } catch {
            Log.warning("cannot collect expired connections", ["error": "\(error)"])
        }
    }
}
