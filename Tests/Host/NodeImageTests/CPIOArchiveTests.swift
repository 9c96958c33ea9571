import Foundation
import Testing

@testable import NodeImage

@Suite struct CPIOArchiveTests {
    @Test func headerIsAsTheKernelReadsIt() throws {
        let sink = MemorySink()
        var archive = CPIOArchive(to: sink)
        try archive.add("a/bc", .bytes(Array("hello".utf8), mode: 0o640))
        try archive.finish()
        let text = String(decoding: sink.bytes, as: UTF8.self)
        let fields = [
            "070701", "00000001", "000081A0", "00000000", "00000000", "00000001", "00000000", "00000005", "00000000",
            "00000000", "00000000", "00000000", "00000005", "00000000",
        ]
        #expect(text.hasPrefix(fields.joined() + "a/bc\0"))
        // 110 bytes of header and 5 of name, padded to 116; then the data, padded to 4.
        #expect(Array(sink.bytes[116..<124]) == Array("hello\0\0\0".utf8))
        #expect(text.contains("TRAILER!!!"))
        #expect(sink.bytes.count % 512 == 0)
        #expect(archive.bytes == sink.bytes.count)
    }

    @Test func cpioReadsEveryKindOfEntry() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/archive"
        let sink = try FileSink(path)
        var archive = CPIOArchive(to: sink)
        try archive.add("dev", .directory(mode: 0o1777))
        try archive.add("dev/null", .characterDevice(major: 1, minor: 3, mode: 0o666))
        try archive.add("file", .bytes([1, 2, 3]))
        try archive.add("link", .symbolicLink(to: "/file"))
        try archive.finish()
        try sink.finish()
        let listing = try await BuildTool.run("cpio", ["-itvn", "--quiet", "-F", path])
        let lines = listing.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
        #expect(lines.map { $0.first } == ["drwxrwxrwt", "crw-rw-rw-", "-rw-r--r--", "lrwxrwxrwx"])
        #expect(lines.allSatisfy { $0[2] == "0" && $0[3] == "0" })
        #expect(lines[1].suffix(6).first == "3" || listing.contains("1,   3"))
        #expect(lines[3].suffix(3) == ["link", "->", "/file"])
    }

    @Test func contentOfAnotherSizeIsRefused() {
        var archive = CPIOArchive(to: MemorySink())
        #expect(throws: ImageError.self) {
            try archive.add(
                "x", .file(bytes: 4, mode: 0o644) { sink in try sink.write("12345") })
        }
    }
}
