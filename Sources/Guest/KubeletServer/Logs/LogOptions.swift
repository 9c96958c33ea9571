/// What a client asks of a log: the query of `/containerLogs`, which is `v1.PodLogOptions`.
public struct LogOptions: Sendable, Hashable {
    public var follow = false
    public var previous = false
    public var timestamps = false
    /// Nothing older.
    public var since: LogTime?
    /// The newest records only.
    public var tailLines: Int?
    /// The most bytes that are sent; at least 1.
    public var limitBytes: Int?

    public init() {}

    /// Reads a query.
    ///
    /// - Parameter now: The time that `sinceSeconds` counts from.
    /// - Throws: `KubeletRefusal` in the words of the real kubelet: 400 for what cannot be read, 422 for values that
    ///   `PodLogOptions` does not allow.
    init(_ query: [(name: String, value: String)], now: LogTime) throws(KubeletRefusal) {
        let unreadable = KubeletRefusal(status: 400, message: "{\"message\": \"Unable to decode query.\"}")
        let invalid = KubeletRefusal(status: 422, message: "{\"message\": \"Invalid request.\"}")
        func flag(_ value: String) throws(KubeletRefusal) -> Bool {
            // As Kubernetes' query decoding has it: present and empty is true.
            switch value.lowercased() {
            case "", "true", "1", "t": return true
            case "false", "0", "f": return false
            default: throw unreadable
            }
        }
        func count(_ value: String, from lowest: Int) throws(KubeletRefusal) -> Int {
            guard let count = Int(value) else { throw unreadable }
            guard count >= lowest else { throw invalid }
            return count
        }
        var sinceSeconds: Int?
        for (name, value) in query {
            switch name {
            case "follow": follow = try flag(value)
            case "previous": previous = try flag(value)
            case "timestamps": timestamps = try flag(value)
            case "tailLines": tailLines = try count(value, from: 0)
            case "tail" where value != "all": tailLines = try count(value, from: 0)
            case "limitBytes": limitBytes = try count(value, from: 1)
            case "sinceSeconds": sinceSeconds = try count(value, from: 1)
            case "sinceTime":
                guard let time = LogTime(value) else { throw unreadable }
                since = time
            default: break
            }
        }
        if let sinceSeconds {
            guard since == nil else { throw invalid }
            let (seconds, overflows) = now.seconds.subtractingReportingOverflow(Int64(sinceSeconds))
            since = LogTime(seconds: overflows ? .min : seconds, nanoseconds: now.nanoseconds)
        }
    }
}

extension ContainerLog {
    /// Sends what the options choose, and what is added later if they follow, until the log is finished or the task is
    /// cancelled.
    ///
    /// - Throws: What `write` throws.
    func send(_ options: LogOptions, to write: ([UInt8]) async throws -> Void) async throws {
        var left = options.limitBytes ?? .max
        let held = held
        var next = max(held.lowerBound, options.tailLines.map { held.upperBound - min($0, held.count) } ?? 0)
        var isAtLineStart: [Stream: Bool] = [:]
        while left > 0, !Task.isCancelled {
            let portion = records(from: next, bytes: 65_536)
            next = portion.next
            var bytes: [UInt8] = []
            for record in portion.records where options.since.map({ record.time >= $0 }) ?? true {
                if options.timestamps, isAtLineStart[record.stream] ?? true {
                    bytes += (record.time.text + " ").utf8
                }
                bytes += record.bytes
                isAtLineStart[record.stream] = !record.isPartial
            }
            if !bytes.isEmpty {
                let chosen = bytes.count > left ? Array(bytes.prefix(left)) : bytes
                left -= chosen.count
                try await write(chosen)
            }
            if portion.isLast { return }
            if portion.records.isEmpty {
                guard options.follow else { return }
                await waitForRecord(next)
            }
        }
    }
}
