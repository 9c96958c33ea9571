import Readings

/// The drop events of one reason that failing probes' packets ran into.
struct DropRecord {
    let reason: DropReason
    /// The indices of the probes.
    var cells: Set<Int> = []
    /// Where the packets were dropped, such as `node1 policy.h:180`.
    var places: Set<String> = []
    /// The policies and rules that decided, as the events name them.
    var rules: Set<String> = []

    /// - Returns: One record for each wanted reason, sorted by name.
    static func all(
        _ evidence: Evidence, _ paths: PathIndex, where isWanted: (DropReason) -> Bool
    ) -> [DropRecord] {
        var records: [DropReason: DropRecord] = [:]
        for index in paths.failing {
            let probe = evidence.probes[index]
            for event in paths.events(of: probe) {
                guard let drop = event.drop, isWanted(drop.reason) else { continue }
                var record = records[drop.reason] ?? DropRecord(reason: drop.reason)
                record.cells.insert(index)
                record.places.insert(drop.location.map { "\(event.node) \($0)" } ?? event.node)
                if let rule = event.rule { record.rules.insert(rule) }
                records[drop.reason] = record
            }
        }
        return records.values.sorted { $0.reason < $1.reason }
    }

    var lines: [String] {
        ["drop events: \(reason) at \(list(places))", "\(cells.count) \(cells.count == 1 ? "probe" : "probes") hit it"]
            + (rules.isEmpty ? [] : ["decided by \(list(rules))"])
    }
}
