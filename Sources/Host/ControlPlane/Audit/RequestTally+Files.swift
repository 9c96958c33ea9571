import Foundation

extension RequestTally {
    /// Counts the requests in the audit logs of a folder: `audit.log`, and the one before it, which was full and has its
    /// time in its name.
    ///
    /// - Parameters:
    ///   - folder: Where the API server wrote them.
    ///   - start: Requests that came before, in whole seconds, are left out: a folder may hold an earlier run's.
    /// - Throws: An error of the file system. A folder without such logs is none.
    public init(folder: String, since start: Date? = nil) throws {
        // `2026-11-30T12:46:02Z`, without the zone: the log has fractions of the second there.
        self.init(since: start.map { String($0.formatted(Date.ISO8601FormatStyle()).dropLast()) })
        let names = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
        let full = names.filter { $0.hasPrefix("audit-") && $0.hasSuffix(".log") }
        for name in full + names.filter({ $0 == "audit.log" }) { try take(file: "\(folder)/\(name)") }
    }

    /// The server begins another file before one is as long as this.
    private static let longestFile = 256 << 20
    private static let chunk = 1 << 20

    private mutating func take(file path: String) throws {
        let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
        defer { try? file.close() }
        var lines = LineCutter(longest: AuditedRequest.longestLine)
        var total = 0
        while total < Self.longestFile, let data = try file.read(upToCount: Self.chunk), !data.isEmpty {
            total += data.count
            lines.take(data) { line in take(line: line) }
        }
        lines.end { line in take(line: line) }
    }
}

/// Cuts a stream of octets into lines.
struct LineCutter {
    /// A line of more octets is handed on as far as it was read, once.
    let longest: Int
    private var rest: [UInt8] = []
    private var isTooLong = false

    init(longest: Int) { self.longest = longest }

    /// Takes the next octets, and hands on the lines that they end.
    mutating func take(_ octets: some Collection<UInt8>, _ body: ([UInt8]) -> Void) {
        var parts = octets.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)[...]
        while let part = parts.popFirst() {
            if !isTooLong { rest += part.prefix(longest + 1 - rest.count) }
            if rest.count > longest { isTooLong = true }
            guard !parts.isEmpty else { return }
            body(rest)
            rest.removeAll(keepingCapacity: true)
            isTooLong = false
        }
    }

    /// Hands on what came after the last end of a line, if anything did.
    mutating func end(_ body: ([UInt8]) -> Void) {
        if !rest.isEmpty { body(rest) }
        rest = []
        isTooLong = false
    }
}
