import JSON

/// The status of a pod as it is told to the API server, and what of it the server has.
struct PodReport: Sendable {
    /// The last status that was sent.
    private(set) var sent: JSONValue?
    private var isInFlight = false
    private var isSentWritten = false
    private var due = Duration.zero
    /// When each condition last changed.
    private(set) var changes: [String: (status: String, time: String)] = [:]
    var isDeletionAsked = false
    var awaitsDeletion = false
    var deletionDue = Duration.zero

    mutating func restore(_ status: JSONValue?) {
        for condition in status?["conditions"]?.elements ?? [] {
            if let type = condition["type"]?.text, let value = condition["status"]?.text,
                let time = condition["lastTransitionTime"]?.text
            {
                changes[type] = (value, time)
            }
        }
    }

    /// When a condition that has this status now has changed last.
    mutating func change(_ type: String, _ status: String, _ now: String) -> String {
        if let known = changes[type], known.status == status { return known.time }
        changes[type] = (status, now)
        return now
    }

    func isWritten(_ status: JSONValue) -> Bool { isSentWritten && !isInFlight && sent == status }

    /// - Returns: The status if it is to be sent now, and when to look again.
    mutating func next(_ status: JSONValue, now: Duration) -> (send: Bool, wake: Duration?) {
        if isInFlight || isSentWritten && sent == status { return (false, nil) }
        if now < due { return (false, due) }
        sent = status
        isInFlight = true
        isSentWritten = false
        return (true, nil)
    }

    mutating func take(_ outcome: Outcome<Empty>, now: Duration) {
        guard isInFlight else { return }
        isInFlight = false
        if case .success = outcome {
            isSentWritten = true
        } else {
            due = now + .seconds(1)
        }
    }

    /// The object has a new name at the server: everything is to be told again.
    mutating func startAgain() {
        sent = nil
        isSentWritten = false
        isInFlight = false
    }
}
