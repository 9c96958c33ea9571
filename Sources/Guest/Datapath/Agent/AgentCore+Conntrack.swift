import DatapathModel
import NetAddress

extension AgentCore {
    /// Rids the conntrack tables of what has expired, when it is time. What cannot be done now is done the next time: an
    /// expired entry is void to the programs anyway. Backends that have left go with their last connection, and so do names.
    mutating func collectConnections() {
        do {
            var backends: Set<UInt32> = []
            var destinations: Set<IPv4Address> = []
            let collected = try conntrack.collectIfDue { key, entry in
                if key.direction == .service { backends.insert(entry.backend) }
                if key.direction == .egress, let destination = key.destination { destinations.insert(destination) }
            }
            guard collected else { return }
            if try services.collect(inUse: backends) { markServices() }
            try expireNames(inUse: destinations)
        } catch {
            Log.warning("cannot collect expired connections", ["error": "\(error)"])
        }
    }
}
