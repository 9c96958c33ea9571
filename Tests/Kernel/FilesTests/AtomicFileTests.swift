import Files
import Foundation
import LinuxKernel
import Testing

/// A new folder below the system's temporary one, removed after the body.
private func withFolder(_ body: (String) throws -> Void) throws {
    let path = NSTemporaryDirectory() + "files-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: path) }
    try body(path)
}

@Suite struct AtomicFileTests {
    @Test(arguments: [false, true]) func `a file is replaced as a whole`(flushed: Bool) throws {
        try withFolder { folder in
            let path = folder + "/a"
            #expect(try AtomicFile.read(path) == nil)
            try AtomicFile.write("a long text", to: path, mode: 0o600, flushed: flushed)
            let old = try FileDescriptor.open(path, O_RDONLY)
            try AtomicFile.write([1, 2], to: path, flushed: flushed)
            #expect(try AtomicFile.read(path) == [1, 2])
            // Whoever opened the old file still reads the old text, to its end.
            #expect(try old.readToEnd() == Array("a long text".utf8))
            #expect(try Directories.names(in: folder) == ["a"])
        }
    }

    @Test func `a failure leaves the old file and nothing beside it`() throws {
        try withFolder { folder in
            let path = folder + "/a"
            try AtomicFile.write("old", to: path)
            let full = SystemError(code: ENOSPC, call: "write", subject: "descriptor")
            #expect(throws: full) {
                try AtomicFile.write(to: path) { file throws(SystemError) in
                    try file.writeAll([1])
                    throw full
                }
            }
            #expect(try AtomicFile.read(path) == Array("old".utf8))
            #expect(try Directories.names(in: folder) == ["a"])
            // A directory cannot be replaced by a file: this failure is rename's.
            try Directories.make(folder + "/b/c")
            #expect { try AtomicFile.write("x", to: folder + "/b") } throws: { ($0 as? SystemError)?.call == "rename" }
            #expect(try Directories.names(in: folder) == ["a", "b"])
        }
    }

    @Test func `the new file never follows a link that lies in its way`() throws {
        try withFolder { folder in
            try AtomicFile.write("kept", to: folder + "/victim")
            try FileManager.default.createSymbolicLink(
                atPath: "\(folder)/a.\(getpid()).new", withDestinationPath: folder + "/victim")
            #expect { try AtomicFile.write("x", to: folder + "/a") } throws: { ($0 as? SystemError)?.code == ELOOP }
            #expect(try AtomicFile.read(folder + "/victim") == Array("kept".utf8))
        }
    }

    @Test func `a place is checked without a trace`() throws {
        try withFolder { folder in
            try AtomicFile.write("kept", to: folder + "/a")
            try AtomicFile.checkPlace(folder + "/a")
            try AtomicFile.checkPlace(folder + "/b")
            #expect(try Directories.names(in: folder) == ["a"])
            #expect { try AtomicFile.checkPlace(folder + "/none/a") } throws: { ($0 as? SystemError)?.code == ENOENT }
        }
    }

    @Test func `permissions are as asked`() throws {
        try withFolder { folder in
            try AtomicFile.write("x", to: folder + "/a", mode: 0o600)
            let attributes = try FileManager.default.attributesOfItem(atPath: folder + "/a")
            #expect(attributes[.posixPermissions] as? Int == 0o600)
        }
    }

    @Test func `what cannot be read is an error, and what is not there is not`() throws {
        try withFolder { folder in
            let missing = try AtomicFile.read(folder + "/none/below")
            #expect(missing == nil)
            #expect(throws: SystemError.self) { try AtomicFile.read(folder) }
        }
    }
}

@Suite struct RegularFileTests {
    @Test func `a file is read up to the limit`() throws {
        try withFolder { folder in
            try AtomicFile.write([UInt8](repeating: 7, count: 200_000), to: folder + "/a")
            #expect(try RegularFile.read(folder + "/a").count == 200_000)
            #expect(try RegularFile.read(folder + "/a", upTo: 70_001).count == 70_001)
            #expect(try RegularFile.read(folder + "/a", upTo: 0).isEmpty)
        }
    }

    @Test func `a pipe, a device, a folder and a link that leads nowhere are told apart from a file`() throws {
        try withFolder { folder in
            #expect(mkfifo(folder + "/pipe", 0o600) == 0)
            for path in ["/dev/zero", folder, folder + "/pipe"] {
                #expect(throws: RegularFile.Failure.isNotRegular) { try RegularFile.read(path) }
            }
            try FileManager.default.createSymbolicLink(
                atPath: folder + "/nowhere", withDestinationPath: folder + "/none")
            #expect(throws: RegularFile.Failure.isDanglingLink) { try RegularFile.read(folder + "/nowhere") }
            #expect(RegularFile.isNamed(folder + "/nowhere") && !RegularFile.isNamed(folder + "/none"))
            try FileManager.default.createSymbolicLink(atPath: folder + "/loop", withDestinationPath: "loop")
            #expect { try RegularFile.read(folder + "/loop") } throws: {
                "\($0)" == "cannot be read: Too many levels of symbolic links"
            }
            #expect { try RegularFile.read(folder + "/none") } throws: {
                ($0 as? RegularFile.Failure)?.isMissing == true
            }
        }
    }
}

@Suite struct DirectoriesTests {
    @Test func `directories are made with those above them, once or twice`() throws {
        try withFolder { folder in
            for _ in 0..<2 { try Directories.make(folder + "/a//b/") }
            try AtomicFile.write("x", to: folder + "/a/file")
            #expect(try Directories.names(in: folder + "/a") == ["b", "file"])
            #expect { try Directories.make(folder + "/a/file/below") } throws: {
                ($0 as? SystemError)?.code == ENOTDIR
            }
            #expect { try Directories.make(folder + "/a/file") } throws: { ($0 as? SystemError)?.code == ENOTDIR }
            try Directories.make("/")
            #expect(throws: SystemError.self) { try Directories.names(in: folder + "/none") }
        }
    }

    @Test(arguments: [("/a/b", "/a"), ("/a", "/"), ("a", "."), ("a/b", "a"), ("/a/b/", "/a/b")])
    func `a path's parent is the text before its last slash`(path: String, parent: String) {
        #expect(Directories.parent(of: path) == parent)
    }
}
