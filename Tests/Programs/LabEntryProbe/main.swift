// A lab host that does as its arguments say, for the tests of the lab's entry. Lines on the event pipe are its answers.
import Glibc
import LinuxKernel

func run(_ words: [String]) {
    var pid: pid_t = 0
    var arguments = words.map { (word: String) in strdup(word) }
    arguments.append(nil)
    guard posix_spawnp(&pid, words[0], nil, nil, &arguments, environ) == 0 else { exit(70) }
    arguments.forEach { free($0) }
}

func text(_ path: String) -> String {
    guard let file = try? FileDescriptor.open(path, O_RDONLY), let bytes = try? file.readToEnd() else { return "?" }
    return String(decoding: bytes, as: UTF8.self)
}

func names(in directory: String) -> [String] {
    guard let stream = opendir(directory) else { return ["?"] }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) {
            $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted()
}

/// Runs as a lab host; does not return.
func beLabHost(_ channels: LabHostChannels) throws -> Never {
    func say(_ line: String) {
        try? channels.emit(Array((line + "\n").utf8))
    }
    switch channels.arguments.first {
    case "facts":
        say("pid=\(getpid()) uid=\(geteuid()) gid=\(getegid())")
        say("net=" + names(in: "/sys/class/net").joined(separator: ","))
        say("lo=" + text("/sys/class/net/lo/flags").prefix { $0 != "\n" })
        say("lab=" + names(in: channels.directory).joined(separator: ","))
        let status = text("/proc/self/status").split(separator: "\n")
        say(status.first { $0.hasPrefix("CapAmb") }.map(String.init) ?? "CapAmb?")
        say("fds=" + names(in: "/proc/self/fd").joined(separator: ","))
        exit(0)
    case "echo":
        var buffer = [UInt8](repeating: 0, count: 64)
        let count = read(channels.commandDescriptor, &buffer, buffer.count)
        say(String(decoding: buffer.prefix(max(count, 0)), as: UTF8.self))
        exit(0)
    case "exit":
        exit(Int32(channels.arguments[1]) ?? 70)
    case "signal":
        kill(getpid(), Int32(channels.arguments[1]) ?? SIGKILL)
        exit(70)
    case "enter":
        // Others may come in: a file that only the lab sees, and a network namespace.
        try FileDescriptor.open("\(channels.directory)/note", O_WRONLY | O_CREAT).writeAll("inside\n".utf8)
        let network = try FileDescriptor.open("/proc/self/ns/net", O_RDONLY)
        let signals = try SignalStream.descriptor(for: [SIGTERM, SIGINT])
        say("\(network.rawValue)")
        _ = try waitUntilReady(signals, events: Int16(POLLIN), until: .after(.seconds(600)))
        exit(network.rawValue > 0 ? 17 : 70)
    case "hold":
        // The lab host starts two children, one of them an orphan. Nothing but the end of the namespace ends them.
        let mark = channels.arguments[1]
        run(["sleep", mark])
        run(["sh", "-c", "setsid sleep \(mark) & exit 0"])
        let signals = try SignalStream.descriptor(for: [SIGTERM, SIGINT])
        say("ready")
        _ = try waitUntilReady(signals, events: Int16(POLLIN), until: .after(.seconds(600)))
        say("signal")
        exit(17)
    default:
        exit(64)
    }
}

LabJoin.joinIfAsked()
if let channels = LabNamespace.enterIfAsked() {
    try beLabHost(channels)
}
// Without the lab host's arguments this is an outer process. It prints the waiting process's number, and holds the lab
// until it is killed.
try await holdALab()

func holdALab() async throws {
    let host = try LabHostProcess.spawn(arguments: Array(CommandLine.arguments.dropFirst()))
    for await _ in host.eventLines() {
        print("lab", host.processIdentifier)
        fflush(nil)
        break
    }
    _ = try await host.wait()
}
