/// Drop events that failing probes' packets ran into, by reason.
struct DropRecord {
    let reason: String
    var cells: Set<Int> = []
    /// `node1 policy.h:180`
    var places: Set<String> = []
    /// Policies and rules that decided.
    var rules: Set<String> = []

    /// - Returns: one for each reason that is wanted, sorted by name.
    static func all(
        _ evidence: Evidence, _ paths: PathIndex, where isWanted: (String) -> Bool
    ) -> [DropRecord] {
        var records: [String: DropRecord] = [:]
        for index in paths.failing {
            let probe = evidence.probes[index]
            for reading in paths.readings(of: probe) where reading.point == "drop" {
                let reason = reading.dropReason ?? "unknown reason"
                guard isWanted(reason) else { continue }
                var record = records[reason] ?? DropRecord(reason: reason)
                record.cells.insert(index)
                record.places.insert(reading.location.map { "\(reading.node) \($0)" } ?? reading.node)
                if let rule = reading.rule { record.rules.insert(rule) }
                records[reason] = record
            }
        }
        return records.values.sorted { $0.reason < $1.reason }
    }

    var lines: [String] {
        ["drop events: \(reason) at \(list(places))", "\(cells.count) \(cells.count == 1 ? "probe" : "probes") hit it"]
            + (rules.isEmpty ? [] : ["decided by \(list(rules))"])
    }
}
