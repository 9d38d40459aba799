#!/bin/sh
# Makes the certificates of docker-compose.tls.yml: an authority (ca.pem) and RabbitMQ's certificate (server.pem,
# server.key) in var/certificates, or in the folder that is the first argument. The key of the authority is deleted, so
# that nobody can sign another certificate with it. To renew them, delete the folder and run this script again.
set -eu

folder=${1:-$(dirname "$0")/../../var/certificates}
days=825

if [ -e "$folder/ca.pem" ]; then
    echo "make_certificates.sh: $folder has certificates already: delete the folder to make new ones" >&2
    exit 1
fi
command -v openssl > /dev/null || { echo "make_certificates.sh: openssl is not installed: install it" >&2; exit 1; }

# Nobody else on this machine may enter the folder. The files are readable, because RabbitMQ has another user in its
# container, which gets the files but not the folder.
mkdir -p "$folder"
chmod 700 "$folder"
cd "$folder"
trap 'rm -f ca.key ca.srl server.csr server.ext' EXIT

key="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
openssl req -x509 -subj "/CN=Stockwire authority" -days "$days" -addext keyUsage=critical,keyCertSign \
    $key -keyout ca.key -out ca.pem 2> /dev/null
openssl req -subj "/CN=rabbitmq" $key -keyout server.key -out server.csr 2> /dev/null
printf '%s\n' "subjectAltName=DNS:rabbitmq,DNS:localhost,IP:127.0.0.1" "extendedKeyUsage=serverAuth" \
    "authorityKeyIdentifier=keyid" > server.ext
openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days "$days" -extfile server.ext \
    -out server.pem 2> /dev/null
chmod 644 ca.pem server.pem server.key
echo "made ca.pem, server.pem and server.key in $folder, valid for $days days"
