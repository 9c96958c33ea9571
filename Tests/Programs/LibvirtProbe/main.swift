// A lab host for the tests that boots plain guests through libvirt and prints one line for each observation.
import Foundation
import Libvirt
import LinuxKernel

struct Observer {
    let channels: LabHostChannels
    let began = MonotonicTime.now

    func say(_ line: String) {
        try? channels.emit(Array((line + "\n").utf8))
    }

    /// Prints how long the body took, in milliseconds.
    func timed<Value>(_ what: String, _ body: () async throws -> Value) async throws -> Value {
        let start = MonotonicTime.now
        let value = try await body()
        say("\(what) ms=\(Int(MonotonicTime.now.since(start).seconds * 1000))")
        return value
    }
}

@discardableResult
func run(_ words: String...) throws -> Int32 {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = words
    try process.run()
    process.waitUntilExit()
    return process.terminationStatus
}

func residentMiB(_ pid: Int32) -> Int {
    let text = (try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)) ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix("VmRSS:") } ?? ""
    return (line.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) } ?? 0) / 1024
}

func console(_ domain: Domain) -> String {
    let bytes = FileManager.default.contents(atPath: domain.spec.consoleLog) ?? Data()
    return String(decoding: bytes, as: UTF8.self)
}

func waitForConsole(_ domain: Domain, _ text: String) async throws {
    let deadline = Deadline.after(.seconds(30))
    while !console(domain).contains(text) {
        guard !deadline.hasPassed else {
            throw SystemError(code: ETIMEDOUT, call: "console of \(domain.name): \(console(domain).suffix(400))")
        }
        try await Task.sleep(for: .milliseconds(20))
    }
}

/// Waits for the next event of a domain that satisfies the condition.
func expect(
    _ events: AsyncStream<DomainEvent>, _ domain: String, _ condition: (DomainEvent.Kind) -> Bool
) async -> DomainEvent.Kind? {
    for await event in events where event.domain == domain && condition(event.kind) { return event.kind }
    return nil
}

func spec(_ number: Int, _ channels: LabHostChannels, _ arguments: String) throws -> DomainSpec {
    let tap = "tap\(number)"
    try run("ip", "tuntap", "add", tap, "mode", "tap")
    try run("ip", "link", "set", tap, "up")
    return DomainSpec(
        name: "node\(number)", uuid: "6c616272-756e-4000-8000-00000000000\(number)", kernel: channels.arguments[1],
        initrd: channels.arguments[2], kernelArguments: "console=ttyS0 panic=-1 " + arguments,
        consoleLog: "\(channels.directory)/node\(number).log",
        channels: [.init(name: "labrun.link", socketPath: "\(channels.directory)/node\(number).sock")],
        interfaces: [.init(tap: tap, mac: "52:54:00:00:00:0\(number)", mtu: 1500)])
}

/// Plugs a network card into the running guest and out again.
func plug(_ observer: Observer, _ domain: Domain, _ connection: Connection) async throws {
    try run("ip", "tuntap", "add", "hot0", "mode", "tap")
    let card = DomainSpec.Interface(tap: "hot0", mac: "52:54:00:00:00:99", mtu: 1500)
    try await observer.timed("attach") { try await domain.attach(card) }
    observer.say("card \(try await domain.hasCard(mac: card.mac))")
    let events = connection.events()
    try await observer.timed("detach") {
        try await domain.detach(card)
        _ = await expect(events, domain.name) { if case .deviceRemoved = $0 { true } else { false } }
    }
    observer.say("card \(try await domain.hasCard(mac: card.mac))")
}

func bootSome(_ observer: Observer, _ channels: LabHostChannels) async throws {
    let root = EmbedRoot(path: channels.directory + "/v", sharedCache: channels.arguments[3])
    let connection = try await observer.timed("open") { try await Connection.open(root: root) }
    let events = connection.events()
    var specs = try (1...3).map { try spec($0, channels, "quiet") }
    specs[1].kernelArguments += " labrun.panic"
    specs[1].rebootAction = .destroy
    let domains = try await observer.timed("create 3") {
        try await withThrowingTaskGroup(of: Domain.self) { group in
            for spec in specs { group.addTask { try await connection.create(spec) } }
            return try await group.reduce(into: []) { $0.append($1) }.sorted { $0.name < $1.name }
        }
    }
    try await observer.timed("up 2") {
        try await waitForConsole(domains[0], "guest is up")
        try await waitForConsole(domains[2], "guest is up")
    }
    let panicked = await expect(events, "node2") { $0 == .stopped(.shutdown) }
    observer.say("panic \(panicked.map { String(describing: $0) } ?? "?")")
    let first = domains[0]
    observer.say("state \(try await first.info().state)")
    observer.say("rss MiB=\(first.processIdentifier().map(residentMiB) ?? -1)")
    try await observer.timed("suspend") { try await first.suspend() }
    observer.say("state \(try await first.info().state)")
    try await observer.timed("resume") { try await first.resume() }
    observer.say("state \(try await first.info().state)")
    let mac = first.spec.interfaces[0].mac
    try await observer.timed("link down") { try await first.setLink(mac: mac, up: false) }
    try await waitForConsole(first, "carrier 0")
    try await observer.timed("link up") { try await first.setLink(mac: mac, up: true) }
    try await waitForConsole(first, "carrier 1")
    try await plug(observer, first, connection)
    do {
        try await first.setLink(mac: "52:54:00:ff:ff:ff", up: true)
    } catch {
        observer.say("error \(error)")
    }
    do {
        _ = try await connection.create(first.spec)
    } catch {
        observer.say("error \(error)")
    }
    let deaths = connection.events()
    if let pid = domains[2].processIdentifier() { kill(pid, SIGKILL) }
    let killed = await expect(deaths, "node3") { $0 == .stopped(.failed) }
    observer.say("killed \(killed.map { String(describing: $0) } ?? "?")")
    let later = connection.events()
    try await observer.timed("reset") { try await first.reset() }
    observer.say("reset \(await expect(later, "node1") { $0 == .rebooted } == .rebooted)")
    observer.say("after reset \(try await first.info().state)")
    try await observer.timed("destroy") { try await first.destroy() }
    try await first.destroy()
    try await connection.destroyAll()
    connection.finishEvents()
    observer.say("done")
}

if let channels = LabNamespace.enterIfAsked() {
    let observer = Observer(channels: channels)
    do {
        try await bootSome(observer, channels)
    } catch {
        observer.say("failed: \(error)")
        exit(1)
    }
    exit(0)
}

// To run it by hand: LibvirtProbe boot KERNEL INITRD CACHE
let host = try LabHostProcess.spawn(arguments: Array(CommandLine.arguments.dropFirst()))
for await line in host.eventLines() { print(String(decoding: line, as: UTF8.self)) }
let before = MonotonicTime.now
print(try await host.wait(), "exit ms=\(Int(MonotonicTime.now.since(before).seconds * 1000))")
