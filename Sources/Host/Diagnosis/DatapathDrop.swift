import Readings

/// The agent's programs dropped the packets and reported why. `PolicyDenied` has the drops of policies.
enum DatapathDrop: RootCause {
    static let ids = ["datapath/drop"]

    static func examine(_ evidence: Evidence, _ paths: PathIndex) -> [Explanation] {
        DropRecord.all(evidence, paths) { PolicyDenied.denials[$0] == nil }.map { record in
            Explanation(
                finding: Finding(
                    id: ids[0], summary: "the datapath drops the packets: \(record.reason)", evidence: record.lines,
                    fix: "see the drop reason \(record.reason)", confidence: 0.8),
                cells: record.cells)
        }
    }
}
