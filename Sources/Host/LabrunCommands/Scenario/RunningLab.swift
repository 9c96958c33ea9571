import Foundation
import JSON
import LinuxKernel
import RunEvents
import Runner

/// A lab host that was started, and what its lab is made from.
struct RunningLab: Sendable {
    let host: LabHostProcess
    let feed: AsyncStream<SessionFeed>
    let ingredients: JSONValue

    /// Starts a lab host. It boots its lab when it is given the first request.
    init(for request: RunRequest) throws {
        ingredients = try request.lab()
        host = try LabHostProcess.spawn(arguments: [])
        feed = SessionFeed.merge(host.eventLines(), interval: .milliseconds(200))
    }

    func send(_ request: RunRequest) throws {
        try host.send(Array(try JSONEncoder().encode(request)) + [0x0A])
    }

    /// Has a lab torn down that was handed on, and returns when it is gone.
    func end() async {
        try? host.send(Array("\(RunCommand.end.rawValue)\n".utf8))
        _ = try? await host.wait()
    }
}

/// The lab that the scenario before leaves.
enum FormerLab: Sendable {
    /// There is none, or it was never meant to stay.
    case none
    /// - Parameter by: The scenario before.
    case kept(RunningLab, by: String)
    /// It was meant to stay, and did not.
    case notKept(LabDescription.NotKept)

    /// Tears down a lab that no scenario takes over.
    func end() async {
        if case .kept(let lab, _) = self { await lab.end() }
    }
}

/// The events of a lab host, mixed with ticks of the clock.
enum SessionFeed: Sendable {
    case line([UInt8])
    case tick(ContinuousClock.Instant)

    static func merge(_ lines: AsyncStream<[UInt8]>, interval: Duration) -> AsyncStream<SessionFeed> {
        let (stream, continuation) = AsyncStream.makeStream(of: SessionFeed.self)
        let ticker = Task {
            while !Task.isCancelled {
                try? await Task.sleep(for: interval)
                continuation.yield(.tick(.now))
            }
        }
        Task {
            for await line in lines { continuation.yield(.line(line)) }
            ticker.cancel()
            continuation.finish()
        }
        return stream
    }
}
