#!/bin/bash
# Request Tracker 5, a ticket system with an API of its own (REST2), on SQLite and the web server that comes with it.
#   request-tracker.sh start|stop|running|env
#   request-tracker.sh shred ID   an attachment is deleted for good, which REST2 cannot
# REQUEST_TRACKER_PORT  it listens here (8300)
# DATA                  its folder
# Its webhook (a scrip, RT's own automation) goes where each file in the folder TEST_RT_HOOKS says in two lines:
# an address, and a secret.
. "$(dirname "$0")/engine.sh"
REQUEST_TRACKER_PORT=${REQUEST_TRACKER_PORT:-8300}
DATA=${DATA:-${TMPDIR:-/tmp}/bilaga-request-tracker-$REQUEST_TRACKER_PORT}
URL=http://127.0.0.1:$REQUEST_TRACKER_PORT
NAME=bilaga PASSWORD=bilaga-tests-password
LIBRARY=/usr/share/request-tracker5/libexec
# Ours instead of what the package's configuration in /etc says.
export RT_SITE_CONFIG=$DATA/RT_SiteConfig.pm RT_SITE_CONFIG_DIR=$DATA/site.d

# Mail goes to a file and nowhere else; the zone is not UTC, as with most who run it.
write_settings() {
    mkdir -p "$DATA"/{hooks,log,site.d,mason,session,shredded}
    cat >"$RT_SITE_CONFIG" <<CONF
Set(\$rtname, 'bilaga.test');
Set(\$Organization, 'bilaga.test');
Set(\$Timezone, 'Europe/Stockholm');
Set(\$DatabaseType, 'SQLite');
Set(\$DatabaseName, '$DATA/rt.sqlite');
Set(\$WebDomain, '127.0.0.1');
Set(\$WebPort, $REQUEST_TRACKER_PORT);
Set(\$WebBaseURL, '$URL');
Set(\$WebPath, '');
Set(\$LogToFile, 'warning'); Set(\$LogDir, '$DATA/log'); Set(\$LogToFileNamed, 'rt.log');
Set(\$LogToSyslog, undef); Set(\$LogToSTDERR, undef);
Set(\$MailCommand, 'testfile');
Set(\$WebSessionClass, 'Apache::Session::File');
Set(\$MaxAttachmentSize, 40_000_000);
Set(\$RestrictReferrer, 0);
Set(%GnuPG, Enable => 0); Set(%SMIME, Enable => 0);
Set(\$ShredderStoragePath, '$DATA/shredded');
\$RT::MasonDataDir = '$DATA/mason'; \$RT::MasonSessionDir = '$DATA/session';
1;
CONF
}

# Fields that carry a customer's name and contract, a user with the rights that ours needs and no other, and the webhook.
# What RT does not deliver it does not try again.
write_contents() {
    cat >"$DATA/contents" <<PERL
@CustomFields = (
    { Name => 'Customer', Type => 'FreeformSingle', LookupType => 'RT::Queue-RT::Ticket', Queue => 0 },
    { Name => 'Contract end', Type => 'DateSingle', LookupType => 'RT::Queue-RT::Ticket', Queue => 0 },
);
@Users = ({ Name => '$NAME', Password => '$PASSWORD', Privileged => 1, EmailAddress => 'bilaga@bilaga.test' });
@ACL = map +{ UserId => '$NAME', Right => \$_ },
    qw(SeeQueue ShowTicket ShowTicketComments CommentOnTicket ReplyToTicket SeeCustomField);
@Scrips = ({
    Description => 'tell Bilaga', Queue => 0, Stage => 'TransactionCreate', Template => 'Blank',
    ScripCondition => 'User Defined', ScripAction => 'User Defined',
    CustomIsApplicableCode => 'return 1;', CustomPrepareCode => 'return 1;',
    CustomCommitCode => q{
        require LWP::UserAgent; require JSON;
        my \$agent = LWP::UserAgent->new(timeout => 3, no_proxy => ['127.0.0.1']);
        for my \$path (glob '$DATA/hooks/*') {
        open my \$file, '<', \$path or next;
        chomp(my (\$address, \$secret) = <\$file>);
        \$agent->post(\$address, 'X-Bilaga-Secret' => \$secret, 'Content-Type' => 'application/json',
            Content => JSON::encode_json({ ticket => int \$self->TicketObj->id }));
        }
        return 1;
    },
});
1;
PERL
}

setup_database() { rt-setup-database-5 "$@" --dba '' --dba-password '' --skip-create >>"$DATA/setup.out" 2>&1 </dev/null; }

start() {
    if ! running rt; then
        [ -e "$LIBRARY/rt-server" ] || die "request-tracker5 is missing: services/packages.sh test"
        write_settings
        if [ ! -e "$DATA/made" ]; then
            write_contents
            rm -f "$DATA/rt.sqlite"
            { setup_database --action init && setup_database --action insert --datafile "$DATA/contents"; } ||
                die "database: $(tail -n 5 "$DATA/setup.out")"
            touch "$DATA/made"
        fi
        launch rt perl "$LIBRARY/rt-server" --host 127.0.0.1 --port "$REQUEST_TRACKER_PORT"
    fi
    until_ready rt 60 curl --silent --fail --noproxy '*' --max-time 30 --user root:password --output /dev/null "$URL/REST/2.0/rt"
    print_env
}

print_env() {
    echo "TEST_RT_URL=$URL"
    echo "TEST_RT_USER=$NAME"
    echo "TEST_RT_PASSWORD=$PASSWORD"
    echo "TEST_RT_HOOKS=$DATA/hooks"
}

case ${1:-} in
start) start ;;
stop) crash rt; rm -rf "$DATA" ;;
running) running rt ;;
env) print_env ;;
shred) cd "$DATA/shredded" && rt-shredder-5 --force --plugin "Objects=Attachment,$2" >>"$DATA/shred.out" 2>&1 ;;
*) die "usage: $0 start|stop|running|env|shred ID" ;;
esac
