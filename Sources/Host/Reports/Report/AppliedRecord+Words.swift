import RunEvents

extension AppliedRecord {
    /// For example `3 objects given in 0.1 s; all pods ready after 1.2 s, all agents up to date after 1.4 s`.
    var words: String {
        let pods = podsSeconds.map { "all pods ready after \(shortSeconds($0))" } ?? "not all pods became ready"
        var words = "\(counted(objects, "object", "objects")) given in \(shortSeconds(givenSeconds)); \(pods)"
        if let agentsSeconds {
            words += ", all agents up to date after \(shortSeconds(agentsSeconds))"
        } else if let first = behind.first {
            words += ", not all agents up to date: \(first)" + (behind.count > 1 ? ", and others" : "")
        }
        return words
    }
}
