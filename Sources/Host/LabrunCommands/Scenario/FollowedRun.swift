import RunEvents

/// What is known of a run from its lab's events, and what follows from their end.
struct FollowedRun {
    /// What the lab said about the next run.
    private(set) var handover: LabHandover?
    /// Whether the lab has begun to carry the request out.
    private(set) var began = false
    /// Whether the run's result has come.
    private(set) var ended = false

    /// What a stream of events that is over means.
    enum End: Equatable {
        /// The run's result is among the events.
        case finished
        /// The lab did not begin. A new lab may serve the request.
        case refused([String])
        /// It was interrupted, and has no result.
        case interrupted
        /// The lab was lost during the run. The run is not carried out again, because it may have changed the report.
        case died(String)
    }

    mutating func take(_ payload: RunEvent.Payload) {
        switch payload {
        case .labHandover(let told): handover = told
        case .runFinished: ended = true
        default: began = true
        }
    }

    /// Whether the lab has nothing more to say until its next request.
    var isHandedOn: Bool { ended && handover?.isKept == true }

    /// Returns what follows when no more events come.
    ///
    /// - Parameters:
    ///   - status: How the lab host ended, in words; nil if that is not known.
    ///   - wasInterrupted: Whether the user interrupted.
    func end(status: String?, wasInterrupted: Bool) -> End {
        if ended { return .finished }
        if let handover, !handover.isKept, !began { return .refused(handover.refusals) }
        if wasInterrupted { return .interrupted }
        let how = "the lab host ended before the run did: \(status ?? "unknown")"
        return began ? .died(how) : .refused([how])
    }
}
