import JSON

/// The status of a pod as it is told to the API server, and what of it the server has.
struct PodReport: Sendable {
    /// The last status that was sent.
    private(set) var sent: JSONValue?
    private var isInFlight = false
    private var isSentWritten = false
    private var due = Duration.zero
    /// When the status is sent once more, because the server shows another one than was written; nil while it does not.
    private var correctionDue: Duration?
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

    /// Compares what the server shows with what was sent last.
    ///
    /// A node is not the only one who writes there: while it says nothing, the node lifecycle controller sets the pods'
    /// Ready to False (`MarkPodsNotReady`), and nobody but the kubelet sets it back. A kubelet compares every ten seconds
    /// (`syncPeriod`, pkg/kubelet/status/status_manager.go). What is shown may also only be old, so there is no hurry.
    mutating func compare(withShown shown: JSONValue?, now: Duration) {
        guard let sent, let shown else { return }
        correctionDue = Self.contradicts(shown, sent) ? correctionDue ?? now + .seconds(10) : nil
    }

    /// Whether the phase or a condition that a kubelet owns is shown with another value than it was sent with.
    private static func contradicts(_ shown: JSONValue, _ sent: JSONValue) -> Bool {
        if let phase = shown["phase"]?.text, phase != sent["phase"]?.text { return true }
        return sent["conditions"]?.elements?.contains { own in
            shown["conditions"]?.elements?.contains {
                $0["type"]?.text == own["type"]?.text && $0["status"]?.text != own["status"]?.text
            } == true
        } == true
    }

    func isWritten(_ status: JSONValue) -> Bool { isSentWritten && !isInFlight && sent == status }

    /// - Returns: The status if it is to be sent now, and when to look again.
    mutating func next(_ status: JSONValue, now: Duration) -> (send: Bool, wake: Duration?) {
        if isInFlight { return (false, nil) }
        if isSentWritten && sent == status {
            guard let correctionDue else { return (false, nil) }
            if now < correctionDue { return (false, correctionDue) }
        }
        if now < due { return (false, due) }
        correctionDue = nil
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
        correctionDue = nil
        isSentWritten = false
        isInFlight = false
    }
}
