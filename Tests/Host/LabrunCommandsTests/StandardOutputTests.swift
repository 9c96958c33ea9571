import Glibc
import LinuxKernel
import Testing

@testable import LabrunCommands

@Suite struct StandardOutputTests {
    @Test("a result that does not fit is said, a reader that went away is not")
    func failures() throws {
        let full = open("/dev/full", O_WRONLY)
        defer { close(full) }
        let error = #expect(throws: StandardOutput.Failure.self) { try StandardOutput.write("x", to: full) }
        #expect(error?.description == "standard output: cannot write: No space left on device")
        #expect(throws: StandardOutput.Failure.self) { try StandardOutput.write("x", to: -1) }
        var ends: [Int32] = [0, 0]
        #expect(pipe(&ends) == 0)
        try StandardOutput.write("a", to: ends[1])
        try StandardOutput.write("b\n", to: ends[1])
        var read = [UInt8](repeating: 0, count: 16)
        #expect(Glibc.read(ends[0], &read, 16) == 4)
        #expect(Array(read.prefix(4)) == Array("a\nb\n".utf8))
        close(ends[0])
        close(ends[1])
    }

    /// Whoever shares a pipe with labrun may have set it non-blocking. A full one is waited for.
    @Test func aFullPipeIsWaitedFor() async throws {
        let pipe = try Pipe()
        try pipe.writeEnd.setNonBlocking()
        let (readEnd, writeEnd) = (pipe.readEnd.rawValue, pipe.writeEnd.rawValue)
        let text = String(repeating: "a line of a long listing\n", count: 40_000)
        async let arrived = onOwnThread("reader") {
            var buffer = [UInt8](repeating: 0, count: 1 << 16)
            var bytes: [UInt8] = []
            while bytes.count < text.utf8.count {
                let count = read(readEnd, &buffer, buffer.count)
                guard count > 0 else { break }
                bytes += buffer[..<count]
            }
            return bytes
        }
        try StandardOutput.write(text, to: writeEnd)
        #expect(try await arrived == Array(text.utf8))
        // The ends stay open until here.
        _ = consume pipe
    }
}
