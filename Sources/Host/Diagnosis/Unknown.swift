import Readings

/// The finding for what no known cause explains, with the last place that saw the packets.
enum Unknown {
    static func explanation(of cells: Set<Int>, _ paths: PathIndex) -> Explanation {
        var lastHops: [String: Int] = [:]
        var example: String?
        for index in cells.sorted() {
            let probe = paths.evidence.probes[index]
            let why = paths.why(probe)
            let last = why.last { $0.seen == true }
            let place = last.map { "\($0.hop) of \($0.node ?? "the lab")" } ?? "nowhere"
            lastHops[place, default: 0] += 1
            if example == nil, let last {
                example = "\(probe.key.from) → \(probe.key.to) \(probe.key.protocol.rawValue): \(last.detail)"
            }
        }
        let ranked = lastHops.sorted { ($0.value, $1.key) > ($1.value, $0.key) }
        var lines = ranked.prefix(5).map { "last seen at \($0.key): \($0.value) probes" }
        if let example { lines.append("for example \(example)") }
        lines += paths.evidence.traceGaps.sorted { $0.key < $1.key }.prefix(5).map {
            "not known is what the programs of \($0.key) saw: \($0.value)"
        }
        let unmeasured = cells.count { paths.evidence.probes[$0].observed == .notMeasured }
        let failed = cells.count - unmeasured
        let words =
            (failed > 0 ? ["\(failed) probes failed for no known cause"] : [])
            + (unmeasured > 0 ? ["\(unmeasured) probes were not measured"] : [])
        // Where nobody traces, a hop after the last one may have seen the packets, too.
        let knowledge = paths.evidence.traceGaps.isEmpty ? "that saw" : "known to have seen"
        return Explanation(
            finding: Finding(
                id: "unknown",
                summary: "\(words.joined(separator: ", ")); last hop \(knowledge) the packets: "
                    + (ranked.first?.key ?? "nowhere"),
                evidence: Array(lines), fix: "follow the why chain of a failing cell from its last hop",
                confidence: 0.1),
            cells: cells,
            restsOnSilence: cells.allSatisfy { index in
                let observed = paths.evidence.probes[index].observed
                return observed.lacksAnswers || observed == .notMeasured
            })
    }
}
