import Foundation

/// The highest memory seen: the proportional set size of labrun's processes together, and the resident set size of one
/// QEMU.
struct PeakMemory {
    private(set) var labrunMiB = 0.0
    private(set) var nodeMiB = 0.0

    /// Reads every process below `root`, and then waits a tenth of a second so that the sampling is no load.
    mutating func sample(below root: Int32) {
        var parents: [Int32: Int32] = [:]
        var readings: [Int32: (name: String, kiB: Double)] = [:]
        for entry in (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? [] {
            guard let pid = Int32(entry), let text = try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
            else { continue }
            var fields: [Substring: Substring] = [:]
            for line in text.split(separator: "\n") {
                let parts = line.split(separator: ":", maxSplits: 1)
                if parts.count == 2 { fields[parts[0]] = parts[1] }
            }
            func value(_ key: Substring) -> String { (fields[key] ?? "").trimmingCharacters(in: .whitespaces) }
            parents[pid] = Int32(value("PPid"))
            readings[pid] = (value("Name"), Double(value("VmRSS").prefix { $0.isNumber }) ?? 0)
        }
        var ours = 0.0
        for (pid, reading) in readings where Self.descends(pid, from: root, parents) {
            if reading.name.hasPrefix("qemu") {
                nodeMiB = max(nodeMiB, reading.kiB / 1024)
            } else {
                ours += Self.proportionalMiB(pid) ?? reading.kiB / 1024
            }
        }
        labrunMiB = max(labrunMiB, ours)
        Thread.sleep(forTimeInterval: 0.1)
    }

    /// The proportional set size. The four processes are one program, whose shared pages must not count four times.
    private static func proportionalMiB(_ pid: Int32) -> Double? {
        guard let text = try? String(contentsOfFile: "/proc/\(pid)/smaps_rollup", encoding: .utf8) else { return nil }
        let line = text.split(separator: "\n").first { $0.hasPrefix("Pss:") }
        return line.flatMap { Double($0.filter(\.isNumber)) }.map { $0 / 1024 }
    }

    private static func descends(_ pid: Int32, from root: Int32, _ parents: [Int32: Int32]) -> Bool {
        var current = pid
        while current > 1 {
            if current == root { return true }
            guard let parent = parents[current] else { return false }
            current = parent
        }
        return false
    }
}
