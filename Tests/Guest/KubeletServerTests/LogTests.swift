import Synchronization
import Testing

@testable import KubeletServer

@Suite("Logs of containers")
struct LogTests {
    @Test(
        "Times are read and written",
        arguments: [
            ("1970-01-01T00:00:00Z", 0, 0, "1970-01-01T00:00:00.000000000Z"),
            ("2024-02-29T23:59:59.5Z", 1_709_251_199, 500_000_000, "2024-02-29T23:59:59.500000000Z"),
            ("2026-11-29T18:20:00.123456789+02:00", 1_795_969_200, 123_456_789, "2026-11-29T16:20:00.123456789Z"),
            ("1969-12-31T23:59:59Z", -1, 0, "1969-12-31T23:59:59.000000000Z"),
            ("2000-03-01T00:00:00-00:30", 951_870_600, 0, "2000-03-01T00:30:00.000000000Z"),
        ] as [(String, Int64, Int32, String)])
    func times(text: String, seconds: Int64, nanoseconds: Int32, written: String) throws {
        let time = try #require(LogTime(text))
        #expect(time == LogTime(seconds: seconds, nanoseconds: nanoseconds))
        #expect(time.text == written)
        #expect(LogTime(time.text) == time)
    }

    @Test("What is no time is refused", arguments: ["", "2024", "2024-13-01T00:00:00Z", "2024-01-01T00:00:00", "x"])
    func noTimes(text: String) { #expect(LogTime(text) == nil) }

    static let written: [(String, ContainerLog.Stream, Int64)] = [
        ("one\ntw", .output, 10), ("bad\n", .errors, 11), ("o\n", .output, 12), ("three\n", .output, 13),
    ]

    func log(_ written: [(String, ContainerLog.Stream, Int64)] = Self.written) -> ContainerLog {
        let log = ContainerLog()
        for (text, stream, second) in written { log.append(text.utf8, to: stream, at: LogTime(seconds: second)) }
        return log
    }

    func read(_ log: ContainerLog, _ query: [(name: String, value: String)]) async throws -> String {
        let options = try LogOptions(query, now: LogTime(seconds: 20))
        let text = Mutex("")
        try await log.send(options) { bytes in text.withLock { $0 += String(decoding: bytes, as: UTF8.self) } }
        return text.withLock { $0 }
    }

    @Test(
        "Options choose",
        arguments: [
            ([], "one\nbad\ntwo\nthree\n"),
            ([("tailLines", "2")], "two\nthree\n"),
            ([("tailLines", "0")], ""),
            ([("tailLines", "99")], "one\nbad\ntwo\nthree\n"),
            ([("sinceSeconds", "9")], "bad\ntwo\nthree\n"),
            ([("sinceTime", "1970-01-01T00:00:13Z")], "three\n"),
            ([("limitBytes", "6")], "one\nba"),
            ([("tailLines", "1"), ("timestamps", "true")], "1970-01-01T00:00:13.000000000Z three\n"),
        ] as [([(String, String)], String)])
    func options(query: [(String, String)], expected: String) async throws {
        #expect(try await read(log(), query.map { (name: $0.0, value: $0.1) }) == expected)
    }

    @Test(
        "What is no option is refused",
        arguments: [
            ("tailLines", "-1", 422), ("tailLines", "x", 400), ("limitBytes", "0", 422), ("sinceSeconds", "0", 422),
            ("follow", "maybe", 400), ("sinceTime", "yesterday", 400),
        ])
    func refused(name: String, value: String, status: Int) {
        #expect { try LogOptions([(name: name, value: value)], now: LogTime(seconds: 0)) } throws: {
            ($0 as? KubeletRefusal)?.status == status
        }
    }

    @Test("A line without an end becomes a record when the container ends")
    func unended() async throws {
        let log = log([("prompt> ", .output, 1)])
        #expect(try await read(log, []) == "")
        log.finish(at: LogTime(seconds: 2))
        #expect(try await read(log, [(name: "timestamps", value: "1")]) == "1970-01-01T00:00:02.000000000Z prompt> ")
    }

    @Test("A long line has its time once")
    func longLine() async throws {
        let log = log([(String(repeating: "x", count: 40_000) + "\n", .output, 1)])
        let text = try await read(log, [(name: "timestamps", value: "1")])
        #expect(text.utf8.count == 40_001 + "1970-01-01T00:00:01.000000000Z ".utf8.count)
    }

    @Test("The newest bytes are held")
    func bounded() async throws {
        let log = ContainerLog(limit: 100_000)
        for number in 0..<20_000 {
            log.append("line \(number)\n".utf8, to: .output, at: LogTime(seconds: 1))
        }
        let lines = try await read(log, []).split(separator: "\n")
        #expect((1_000...1_700).contains(lines.count), "\(lines.count) lines")
        #expect(lines.last == "line 19999")
        #expect(log.tail(bytes: 5) == Array("9999\n".utf8))
    }

    @Test("Following ends with the container, and misses nothing")
    func follow() async throws {
        let log = ContainerLog()
        async let text = read(log, [(name: "follow", value: "true")])
        var expected = ""
        for number in 0..<2_000 {
            log.append("\(number)\n".utf8, to: .output, at: LogTime(seconds: 1))
            expected += "\(number)\n"
            if number % 100 == 0 { await Task.yield() }
        }
        log.finish(at: LogTime(seconds: 2))
        #expect(try await text == expected)
    }

    @Test("Following ends with its task")
    func cancelled() async throws {
        let log = log()
        let task = Task { try await read(log, [(name: "follow", value: "true")]) }
        task.cancel()
        _ = try await task.value
    }

    @Test("A listener has what is written at once, until the end")
    func chunks() async throws {
        let log = log()
        let chunks = log.chunks()
        log.append("a".utf8, to: .output, at: LogTime(seconds: 1))
        log.append("b".utf8, to: .errors, at: LogTime(seconds: 1))
        log.finish(at: LogTime(seconds: 1))
        var seen: [String] = []
        for await (stream, bytes) in chunks { seen.append("\(stream) \(String(decoding: bytes, as: UTF8.self))") }
        #expect(seen == ["output a", "errors b"])
    }
}
