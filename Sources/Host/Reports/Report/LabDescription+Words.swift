import RunEvents

extension LabDescription {
    /// What the control plane is, in some words; nil for a lab without.
    var servers: String? { controlPlane.map { "control plane \($0.version) at \($0.address)" } }

    /// Where the lab comes from, in a sentence. It is nil for a lab that was simply booted.
    var origin: String? {
        if let kept {
            return "booted for \(kept.from) and kept; it has served \(kept.after.joined(separator: ", "))"
        }
        guard let notKept else { return nil }
        return "booted afresh, the lab of \(notKept.from) was not kept: \(notKept.because.joined(separator: "; "))"
    }
}
