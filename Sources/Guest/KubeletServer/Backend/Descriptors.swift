import Glibc
public import NIOCore
import NIOPosix

/// Joins a client's streams with a process's pipes, its terminal, or a socket.
enum Descriptors {
    /// Copies both ways between a connected socket and a client, until both directions have ended.
    ///
    /// - Parameter socket: A connected stream socket; it is closed at the end, however that comes.
    /// - Throws: What ended the connection before the client's bytes were written.
    static func join(
        _ socket: Int32, _ input: RemoteInput, _ output: RemoteOutput, on group: any EventLoopGroup
    ) async throws {
        let reads = BufferedReads()
        let channel = try await owning(socket) {
            try await ClientBootstrap(group: group)
                .channelOption(ChannelOptions.allowRemoteHalfClosure, value: true)
                .channelInitializer { $0.pipeline.addHandler(reads) }
                .withConnectedSocket(socket).get()
        }
        defer { channel.close(promise: nil) }
        try await withThrowingTaskGroup { tasks in
            tasks.addTask {
                for await bytes in input { try await channel.writeAndFlush(ByteBuffer(bytes: bytes)).get() }
                try? await channel.close(mode: .output).get()
            }
            tasks.addTask {
                while let bytes = await reads.queue.next() { try await output.write(bytes) }
                await output.finish()
                // What the server ended is over for the client, too; what it still sends goes nowhere.
                input.queue.abandon()
            }
            do { try await tasks.waitForAll() } catch {
                tasks.cancelAll()
                throw error
            }
        }
    }

    /// Copies what can be read from a pipe or a terminal, until its end.
    static func drain(_ descriptor: Int32, to output: RemoteOutput, on group: any EventLoopGroup) async throws {
        let reads = BufferedReads()
        let channel = try await owning(descriptor) {
            try await NIOPipeBootstrap(group: group)
                .channelInitializer { $0.pipeline.addHandler(reads) }
                .takingOwnershipOfDescriptor(input: descriptor).get()
        }
        defer { channel.close(promise: nil) }
        while let bytes = await reads.queue.next() { try await output.write(bytes) }
    }

    /// Copies what a client sends into a pipe or a terminal, until the client's end, and closes it.
    ///
    /// - Throws: Nobody reads the pipe any more.
    static func fill(_ descriptor: Int32, from input: RemoteInput, on group: any EventLoopGroup) async throws {
        let channel = try await owning(descriptor) {
            try await NIOPipeBootstrap(group: group).takingOwnershipOfDescriptor(output: descriptor).get()
        }
        defer { channel.close(promise: nil) }
        for await bytes in input { try await channel.writeAndFlush(ByteBuffer(bytes: bytes)).get() }
    }

    /// A descriptor that no channel took is closed here.
    private static func owning(
        _ descriptor: Int32, _ make: () async throws -> any Channel
    ) async throws -> any Channel {
        do { return try await make() } catch {
            close(descriptor)
            throw error
        }
    }
}

extension RemoteStreams {
    /// Joins the streams with a process's descriptors, which belong to this call from then on and are closed by it:
    /// pipes, sockets or a terminal. It returns when the outputs have ended; the input is joined meanwhile, and ends
    /// then.
    ///
    /// - Parameters:
    ///   - input: Where the program's standard input comes from. It is closed when the client has ended its input, and at
    ///     once if there is none. With a terminal it is a second descriptor of the same.
    ///   - output: Where its standard output, or all that a terminal shows, can be read.
    ///   - errors: Where its standard error can be read.
    /// - Throws: The client has gone, or a descriptor is none that can be waited for.
    public func connect(
        input inputDescriptor: Int32?, output outputDescriptor: Int32?, errors errorsDescriptor: Int32? = nil,
        on group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
    ) async throws {
        let filling = inputDescriptor.flatMap { descriptor -> Task<Void, Never>? in
            guard let input else {
                close(descriptor)
                return nil
            }
            return Task {
                // A program may end its input at any time; the client need not know.
                try? await Descriptors.fill(descriptor, from: input, on: group)
                input.queue.abandon()
            }
        }
        defer { filling?.cancel() }
        try await withThrowingTaskGroup { tasks in
            for (descriptor, stream) in [(outputDescriptor, output), (errorsDescriptor, errors)] {
                guard let descriptor else { continue }
                // Without a stream it is read all the same, so that the program does not block.
                let stream = stream ?? RemoteOutput(writing: { _ in })
                tasks.addTask { try await Descriptors.drain(descriptor, to: stream, on: group) }
            }
            do { try await tasks.waitForAll() } catch {
                tasks.cancelAll()
                throw error
            }
        }
    }
}
