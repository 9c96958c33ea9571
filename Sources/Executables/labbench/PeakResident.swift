import Foundation

/// The most memory that a process of a name ever had in RAM, as the kernel keeps it (`VmHWM`, proc_pid_status(5)).
struct PeakResident {
    private let name: String
    private var process: Int32?
    private(set) var peakMiB: Double?

    init(_ name: String) { self.name = name }

    /// Reads the process below `root` that has the name, which is looked for until it is there, and again when it has
    /// ended: a server that starts again is another process.
    mutating func sample(below root: Int32) {
        if process == nil { process = Self.descendant(of: root, named: name) }
        guard let found = process else { return }
        guard let status = Self.status(found),
            let peak = status["VmHWM"].flatMap({ Double($0.prefix(while: \.isNumber)) })
        else {
            process = nil
            return
        }
        peakMiB = max(peakMiB ?? 0, peak / 1024)
    }

    private static func status(_ process: Int32) -> [Substring: String]? {
        guard let text = try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8) else { return nil }
        return text.split(separator: "\n").reduce(into: [:]) { fields, line in
            let parts = line.split(separator: ":", maxSplits: 1)
            if parts.count == 2 { fields[parts[0]] = parts[1].trimmingCharacters(in: .whitespaces) }
        }
    }

    private static func descendant(of root: Int32, named name: String) -> Int32? {
        var parents: [Int32: Int32] = [:]
        var named: [Int32] = []
        for entry in (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? [] {
            guard let process = Int32(entry), let fields = status(process) else { continue }
            parents[process] = fields["PPid"].flatMap { Int32($0) }
            if fields["Name"] == name { named.append(process) }
        }
        return named.first { process in
            var current = process
            while current > 1, current != root { current = parents[current] ?? 0 }
            return current == root
        }
    }
}
